"""The page docs/expiry.md."""

import time

from servers import Memcached, Onefill, Redis, sides


def text(plan, results):
    versions = "; ".join(kind.version(plan) for kind in sides(Onefill, Redis, Memcached))
    parts = [
        "# Expiry, measured",
        "What becomes of keys whose time is up. Made by `python3 benches/expiry`; each scene starts its servers anew, "
        "pinned to one core with the client on another.",
        f"{plan.machine.name}, {plan.machine.system}; {versions}; commit {plan.commit}, "
        f"{time.strftime('%Y-%m-%d', time.gmtime())}.",
    ]
    if plan.machine.is_busy():
        parts.append(
            f"**Others used the machine** (load {plan.machine.load_before:.1f} before the run): times, and above all "
            "the longest waits, are upper bounds.")
    for scene, result in results:
        parts += [f"## {scene.TITLE}", scene.QUESTION, scene.text(result)]
    return "\n\n".join(part.strip() for part in parts) + "\n"
