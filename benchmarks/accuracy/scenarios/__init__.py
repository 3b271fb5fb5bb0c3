"""What happens to pages; each scenario drives a browser, and so knows the truth."""

from . import faults, frames, media, routes, seen, servers
from .scenario import Scenario

__all__ = ["SCENARIOS", "Scenario"]

SCENARIOS: tuple[Scenario, ...] = (
    seen.closed,
    seen.bounce,
    seen.hidden,
    seen.bursts,
    seen.never_seen,
    seen.seen_late,
    routes.link,
    routes.route,
    routes.hidden_route,
    routes.route_and_back,
    faults.tab_crash,
    faults.killed,
    faults.terminated,
    faults.stopped,
    routes.back_forward_cache,
    seen.idle,
    seen.used_again,
    servers.offline_at_the_end,
    servers.offline_in_the_middle,
    routes.prerendered,
    faults.discarded,
    servers.server_away,
    servers.first_lost,
    seen.two_tabs,
    frames.frame,
    frames.hidden_frame,
    frames.used_frame,
    media.muted,
    media.heard,
    media.silent,
    routes.reloads,
    servers.slow_server,
    servers.late_script,
    servers.slow_script,
    faults.alert,
    routes.turbo,
    routes.rewritten,
    faults.clock_ahead,
    faults.clock_behind,
    faults.half_an_hour,
)
