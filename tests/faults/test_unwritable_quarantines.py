"""A quarantine that cannot be written to: the segment stays until what it holds is kept."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from .disks import full_disk, read_only_modes, small_disk
from .hosts import hosting
from .ledger import Ledger
from .load import Load, Pulse

BAD = [b"no beat %d, %s" % (number, b"x" * 5_000) for number in range(3)]


@pytest.mark.parametrize("how", ["read-only", "full"])
def test_what_is_refused_waits_for_the_quarantine_and_the_host_goes_on(
    how: str, ledger: Ledger, tmp_path: Path
) -> None:
    folder = tmp_path / "data" / "quarantine"
    with ExitStack() as disks:
        if how == "full":
            disks.enter_context(small_disk(folder, 4))
            unwritable = partial(full_disk, left=2)
        else:
            folder.mkdir(parents=True)
            unwritable = read_only_modes
        with hosting("gunicorn-alone", tmp_path, unprivileged=True) as host:
            with Load(host.port, ledger, pause=0.01) as load, Pulse(host.port) as pulse:
                load.wait_for(20)
                with unwritable(folder):
                    host.leave(b"".join(line + b"\n" for line in BAD))
                    host.says("writer", str(folder))
                    load.wait_for(100)
                    assert not host.health()["quarantined"]
            host.recovers()
            ledger.hold(host.store)
            assert [row["line"].encode() for row in host.quarantined()] == BAD
            assert len(host.complaints("writer")) == 1
    assert (pulse.statuses, len(pulse.bodies)) == ({200}, 1)
