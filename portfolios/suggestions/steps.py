"""How a change is made on each platform: only what its documents say; elsewhere where to look."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from django.utils.translation import gettext as _

from gpuadvisor.core import formats

from .facts import HOURS, HUNDRED, GPUFact
from .findings import Step


def price_steps(gpu: GPUFact, to_rate: Decimal) -> tuple[Step, ...]:
    """Setting the on-demand price to what renters should pay."""
    steps: list[Step] = []
    words = {"rate": formats.rate(to_rate), "name": gpu.name, "platform": gpu.platform_name}
    if gpu.platform == "vast":
        own = (to_rate * (1 - (gpu.fee or Decimal(0)) / HUNDRED)).quantize(Decimal("0.001"), ROUND_HALF_UP)
        words |= {"own": formats.rate(own), "fee": formats.percent(gpu.fee, 0), "machine": gpu.machine or _("its ID")}
        steps += [
            Step(
                _(
                    "In the host console open Machines, find machine %(machine)s and set its GPU price to %(own)s. That"
                    " is what you get: with a fee of %(fee)s renters see %(rate)s."
                )
                % words
            ),
            Step(
                _(
                    "Or on the command line. It lists the machine anew, so add the other options that you list it with"
                    " (smallest number of GPUs, bid floor, end date)."
                ),
                f"vastai list machine {gpu.machine or 'ID'} -g {own.normalize():f}",
            ),
        ]
    elif gpu.platform == "clore":
        words["day"] = formats.money(to_rate * HOURS)
        steps.append(
            Step(
                _(
                    "On Clore.ai open the page of your servers and set the on-demand price. It is per server and day:"
                    " %(day)s for each GPU of the server (%(rate)s)."
                )
                % words
            )
        )
    else:
        steps.append(
            Step(_("Set the price of %(name)s to %(rate)s where %(platform)s lets its hosts set prices.") % words)
        )
    steps.append(
        Step(_("Come back and mark it done: the change goes into the journal, and we stay quiet for 10 days."))
    )
    return tuple(steps)


def move_steps(platform: str, name: str, website: str, machines: str) -> tuple[Step, ...]:
    """Listing GPUs on another platform."""
    words = {"platform": name, "machines": machines, "website": website}
    first = _("Open an account as a host on %(platform)s and read what it asks of a machine: %(website)s") % words
    return (
        Step(first if website else _("Open an account as a host on %(platform)s.") % words),
        Step(_("Let running rentals end before you take %(machines)s off its present platform.") % words),
        Step(_("List one GPU there first and enter its results: the figures here are those of others.")),
    )


def power_steps(watts: Decimal) -> tuple[Step, ...]:
    """Setting a lower power limit on an NVIDIA card."""
    return (
        Step(
            _("On the machine, while no rental runs on it, set the limit of every GPU:"),
            f"sudo nvidia-smi -pl {watts:.0f}",
        ),
        Step(_("It holds until the next start: add the command to what the machine runs when it starts.")),
        Step(_("Measure the draw under load and enter it with the GPU: from then on its energy is no estimate.")),
    )
