"""Sums over figures that were told: + - * / and parentheses over names, nothing else. No Django.

A number of the formula's own must be a plain conversion, such as 24 hours or 30 days: a figure comes in by its name.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Mapping
from decimal import Decimal, DecimalException

LONGEST = 200
DEEPEST = 20
PLAIN = frozenset(
    Decimal(number)
    for number in (*range(1, 13), 14, 24, 28, 30, 31, 52, 60, 90, 100, 168, 360, 365, 720, 730, 744, 1000, 3600, 8760)
)
_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


class FormulaError(ValueError):
    """The formula cannot be worked out; the message says why."""


def work_out(formula: str, values: Mapping[str, Decimal], said: frozenset[Decimal] = frozenset()) -> Decimal:
    """The value of `formula`, rounded to six places; `said` are numbers that it may hold beside the plain ones.

    Raises: FormulaError.
    """
    if len(formula) > LONGEST:
        raise FormulaError(f"a formula holds up to {LONGEST} characters")
    try:
        tree = ast.parse(formula.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise FormulaError("the formula cannot be read: use + - * / and parentheses over names") from None
    used: set[str] = set()
    try:
        value = _value(tree, values, said, used, DEEPEST)
        if not used:
            raise FormulaError("a formula needs a name: figures come from results")
        return round(value, 6).normalize() + 0
    except ZeroDivisionError:
        raise FormulaError("the formula divides by zero") from None
    except DecimalException:
        raise FormulaError("the formula has no usable value, as where it divides by zero") from None


def _value(
    node: ast.AST, values: Mapping[str, Decimal], said: frozenset[Decimal], used: set[str], depth: int
) -> Decimal:
    if not depth:
        raise FormulaError("the formula is too deep")
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left = _value(node.left, values, said, used, depth - 1)
        right = _value(node.right, values, said, used, depth - 1)
        result: Decimal = _OPERATORS[type(node.op)](left, right)
        return result
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        value = _value(node.operand, values, said, used, depth - 1)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.Name):
        if node.id not in values:
            raise FormulaError(f"the name {node.id[:40]} is not given")
        used.add(node.id)
        return values[node.id]
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        number = Decimal(str(node.value))
        if number not in PLAIN and number not in said:
            raise FormulaError(f"the number {str(number)[:40]} comes from no result: give it a name and its reference")
        return number
    raise FormulaError("a formula has only + - * / and parentheses over names")
