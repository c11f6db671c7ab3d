"""All rules, in the order in which the check-up shows them."""

from . import costs, market, records

RULES = (*market.RULES, *costs.RULES, *records.RULES)
BY_NAME = {rule.name: rule for rule in RULES}
