"""Who may get what: turns the names of a configuration into ranked places for streams. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from bdgw.corrections.choice import FailoverRules, StreamKey
from bdgw.corrections.mount_table import MountTable
from bdgw.corrections.nearest import Nearest, NearestRules
from bdgw.corrections.outlet import NearestSlot, Outlet, Slot, Write
from bdgw.corrections.spec import NEAREST, SessionPolicy, SourceKind, SourceSpec
from bdgw.geodesy import Ecef

__all__ = ["Layout"]


class Layout:
    """All sources by name, and how a device's choice is laid out over them.

    ``learnt`` gives the place that a base has said itself; ``may_leave`` is that of
    ``NearestSlot``.
    """

    def __init__(
        self,
        specs: Sequence[SourceSpec],
        *,
        tables: Mapping[str, MountTable],
        learnt: Callable[[StreamKey], Ecef | None],
        may_leave: Callable[[StreamKey], bool],
    ) -> None:
        """Check the names.

        Raises:
            ValueError: two sources have one name, or a standby is not there.
        """
        self.specs: dict[str, SourceSpec] = {}
        for spec in specs:
            if spec.name in self.specs:
                raise ValueError(f"two corrections have the name {spec.name!r}")
            self.specs[spec.name] = spec
        for spec in specs:
            for name in spec.standby:
                self._named(name, f"standby of correction {spec.name!r}")
        self._tables = tables
        self._learnt = learnt
        self._may_leave = may_leave
        self.standing: tuple[StreamKey, ...] = ()
        """Streams that are kept open because somebody chooses among all."""

    def outlet(
        self,
        name: str,
        correction: str,
        *,
        write: Write,
        began_s: float,
        is_device: bool,
    ) -> Outlet:
        """Make the outlet of a device, or of a relay.

        Raises:
            ValueError: no source has the name ``correction``.
        """
        datum = None
        if correction == NEAREST:
            slots, rules = [self._nearest_of_all()], FailoverRules()
            reach_m = NearestRules().reach_m
        else:
            spec = self._named(correction, f"correction of {name!r}")
            ranked = [spec, *(self.specs[standby] for standby in spec.standby)]
            slots = [self._slot(each, name) for each in ranked]
            rules = spec.failover
            datum = spec.datum
            reach_m = max((each.nearest.reach_m for each in ranked if each.is_nearest), default=0.0)
        return Outlet(
            name,
            correction=correction,
            slots=slots,
            rules=msgspec.structs.replace(rules, reach_m=max(rules.reach_m, reach_m)),
            write=write,
            began_s=began_s,
            is_device=is_device,
            datum=datum,
        )

    def _named(self, name: str, what: str) -> SourceSpec:
        spec = self.specs.get(name)
        if spec is None:
            known = ", ".join(self.specs) or "none"
            raise ValueError(f"{what}: there is no correction {name!r}; there are: {known}")
        return spec

    def _slot(self, spec: SourceSpec, outlet: str) -> Slot:
        if spec.is_nearest:
            table = self._tables[spec.name]
            return NearestSlot(
                Nearest(spec.nearest), places=lambda: table.places, may_leave=self._may_leave
            )
        is_own = spec.session is SessionPolicy.PER_DEVICE
        return Slot(StreamKey(spec.name, spec.mount, outlet if is_own else None))

    def _nearest_of_all(self) -> Slot:
        """The bases of every source, save those that are made for a rover."""
        fixed = [
            StreamKey(spec.name, spec.mount)
            for spec in self.specs.values()
            if not spec.is_nearest and spec.session is SessionPolicy.SHARED
        ]
        self.standing = tuple(key for key in fixed if not self._is_local(key))

        def places() -> dict[StreamKey, Ecef]:
            found: dict[StreamKey, Ecef] = {}
            for table in self._tables.values():
                found.update(table.places)
            for key in fixed:
                place_m = self._learnt(key)
                if place_m is not None:
                    found[key] = place_m
            return found

        return NearestSlot(Nearest(NearestRules()), places=places, may_leave=self._may_leave)

    def _is_local(self, key: StreamKey) -> bool:
        return self.specs[key.source].kind is SourceKind.LOCAL
