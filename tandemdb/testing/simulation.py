"""The simulation: three systems, a workload and an adversary, all drawn from one seed.

    seed --> settings   synchronous or not, k of n, size of the log, rates of the faults, how many write at a time
         --> steps      commit, or begin to | let time pass | cut, heal | other faults | restart empty
                        | detach, attach again | leader lost, the best standby promoted
                        | leader cut off but alive, and writing | hand over | a standby's record damaged in RAM
         --> healing    all back, no faults: level within a bound, nothing acknowledged missing

Writers are threads that take turns (`turns`): one that waits for acknowledgements, or dawdles with its transaction
open, lets something else happen, so that several commits are on their way when a link is cut or a standby promoted.

The operator in it is a careful one: of the standbys that commits were counted on he promotes the one that has received
most, and he lets no second system fail before the first one's data are on another again. That is what mirroring
promises to survive; what it does not (both copies lost at once), nobody could.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Literal
from weakref import WeakMethod

from tandemdb import replication
from tandemdb.replication import CommitInDoubt, Epoch, Faults, Replica, ReplicationError
from tandemdb.replication.system import find_system
from tandemdb.storage import Database, LockTimeout, ReadOnly
from tandemdb.testing.chronicle import Chronicle, Report
from tandemdb.testing.clock import STEP_SECONDS, VirtualClock
from tandemdb.testing.invariants import Observations, require
from tandemdb.testing.turns import Task, Turns
from tandemdb.testing.workload import Workload

SYSTEMS = 3
STEPS = 80
SETTLE_SECONDS = 200.0
QUEUE_MAX = 20_000
TURNS_MAX = 20_000


def simulate(seed: int, steps: int = STEPS) -> Report:
    """Run one simulated cluster; the same seed does the same again.

    Raises:
        InvariantBroken: a promise did not hold. The message ends with the command that repeats it.
    """
    simulation = Simulation(seed, steps)
    with simulation.chronicle.repeatable(f"--seed {seed} --steps {steps}"):
        return simulation.run()


class Site:
    """One system: its name, the database it has at present, and its link to the leader."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.database = Database(name)
        self.replica: Replica | None = None


class Simulation:
    """One cluster."""

    def __init__(self, seed: int, steps: int) -> None:
        self.steps = steps
        self.random = random = Random(seed)
        self.clock = VirtualClock()
        self.chronicle = Chronicle(seed, self.clock)
        self.note = self.chronicle.note
        self.workload = Workload(random)
        self.seen = Observations(self.workload)
        self.synchronous = random.random() < 0.7
        self.limits: dict[str, Any] = {
            "required": random.choice([1, 1, 2]),
            "log_bytes_max": random.choice([3000, 60_000, 1 << 26]),
            "window_bytes": random.choice([2000, 1 << 24]),
            "update_batch": random.choice([1, 4, 32]),
            "gather_seconds": random.choice([0.0, 1.0]),
            "acknowledge": random.choice(["applied", "applied", "received", "visible"]),
        }
        self.over_wire = random.random() < 0.3
        self.writers_max = random.choice([1, 3, 8])
        # How far apart the systems are, when nothing else is wrong with a link.
        self.distance = random.choice([0.0, 0.01, 0.2])
        self.turns = Turns()
        self.writers: list[Task] = []
        self.sites = [Site("abc"[number]) for number in range(SYSTEMS)]
        self.leader = self.sites[0]
        self.epoch = Epoch(1)
        # Whether a copy was lost since all acknowledged commits were last known to be elsewhere than on the leader.
        self.exposed = False
        # Whether the leader has kept in its log, as far as that is long enough, all that any standby lacks.
        self.keeps_all = True
        self.made: dict[int, set[int]] = {}
        self.orphaned: set[int] = set()

    def run(self) -> Report:
        """Run all of it."""
        self.workload.load(self.leader.database)
        for site in self.sites[1:]:
            self.attach(site)
        for _ in range(self.steps):
            self.step()
            self.check()
        self.heal_all()
        return self.chronicle.report(len(self.orphaned))

    def step(self) -> None:
        """Let something happen."""
        random = self.random
        draw = random.random()
        standby = random.choice([site for site in self.sites if site is not self.leader])
        if draw < 0.54:
            self.commit()
        elif draw < 0.55:
            self.damage(standby)
        elif draw < 0.70:
            self.let_pass(random.choice([0.01, 0.3, 1.5]))
        elif draw < 0.76:
            self.disturb(standby)
        elif draw < 0.82:
            self.cut(standby)
        elif draw < 0.88:
            self.heal(standby)
        elif draw < 0.91:
            self.restart(standby)
        elif draw < 0.94:
            self.reattach(standby)
        elif draw < 0.96:
            self.fail_over(gone=True)
        elif draw < 0.98:
            self.fail_over(gone=False)
        else:
            self.hand_over()

    # What may happen.

    def commit(self) -> None:
        """Begin some transactions on the leader, and see them through unless others may go on beside them."""
        site = self.leader
        for _ in range(self.random.randrange(1, self.writers_max + 1)):
            if len(self.writers) < self.writers_max:
                self.writers.append(self.turns.start(lambda: self.write(site)))
        if self.writers_max == 1 or self.random.random() < 0.2:
            self.finish_writers()

    def write(self, site: Site) -> None:
        """Run a transaction on a system that leads, at least when it begins."""
        entry = self.workload.draw_entry()
        database = site.database
        epoch = database.root.epoch
        try:
            committed = self.workload.run(database, entry, lambda: self.pause(self.random.random() * 0.2))
        except CommitInDoubt as error:
            self.chronicle.doubtful[entry] = error.transaction
            self.note("in doubt", f"{entry}, as {type(error).__name__}")
            self.pause(0.3)
        except (ReplicationError, ReadOnly, LockTimeout) as error:
            self.seen.aborted.add(entry)
            self.note("refused", type(error).__name__)
            self.pause(0.3)
        else:
            if committed:
                self.chronicle.acknowledged.add(entry)
                self.made.setdefault(epoch, set()).add(entry)
                self.seen.leader_committed(site.name, database.root)
                self.note("committed", f"{entry} LSN {database.root.lsn}", quiet=True)
            else:
                self.seen.aborted.add(entry)

    def pause(self, seconds: float) -> None:
        """Let time pass, wherever it is: a writer lets others go on, everybody else lets the writers."""
        if self.turns.is_task:
            self.turns.pause(self.clock.now + max(seconds, STEP_SECONDS))
            return
        self.clock.pause(seconds)
        self.resume_writers()

    def resume_writers(self) -> None:
        """Let those writers go on whose time has come, in any order."""
        due = [task for task in self.writers if task.due <= self.clock.now and not task.done]
        self.random.shuffle(due)
        for task in due:
            self.turns.resume(task)
        self.writers = [task for task in self.writers if not task.done]

    def finish_writers(self) -> None:
        """Let all writers come to their ends."""
        for _ in range(TURNS_MAX):
            self.writers = [task for task in self.writers if not task.done]
            if not self.writers:
                return
            self.clock.now = max(self.clock.now, min(task.due for task in self.writers))
            self.resume_writers()
        require(False, "I9", f"{len(self.writers)} writers do not come to an end")

    def let_pass(self, seconds: float) -> None:
        """Let time pass, and deliver what is due meanwhile."""
        end = self.clock.now + seconds
        while self.clock.now < end:
            moved = [site.replica.link.pump() for site in self.sites if site.replica is not None]
            if not any(moved):
                self.pause(0.05)

    def disturb(self, site: Site) -> None:
        """Put another adversary on a link, or none."""
        random = self.random
        if site.replica is None:
            return
        faults = Faults(
            seed=random.randrange(1 << 30),
            drop=random.choice([0.0, 0.02, 0.2]),
            duplicate=random.choice([0.0, 0.1]),
            reorder=random.choice([0.0, 0.1]),
            delay_seconds=random.choice([0.0, 0.01, 0.4]),
        )
        chosen = faults if random.random() < 0.7 else self.apart()
        site.replica.set_faults(chosen)
        self.note("faults", f"{site.name} {chosen}")

    def cut(self, site: Site) -> None:
        if site.replica is not None and not site.replica.link.is_cut:
            site.replica.cut()
            self.note("cut", site.name)

    def heal(self, site: Site) -> None:
        if site.replica is None:
            self.attach(site)
        elif site.replica.link.is_cut:
            site.replica.heal()
            self.note("healed", site.name)

    def restart(self, site: Site) -> None:
        """Kill a standby; it comes back empty under its name."""
        if self.exposed and self.synchronous:
            return  # A second failure before the first is healed.
        self.detach(site)
        self.seen.forget(site.name)
        site.database = Database(site.name)
        if self.synchronous:
            self.exposed = True
        self.note("restarted", site.name)
        self.attach(site)

    def reattach(self, site: Site) -> None:
        """Detach a standby, as for reading at leisure, and attach it again."""
        if self.exposed and self.synchronous:
            return
        self.detach(site)
        if self.synchronous:
            self.exposed = True  # Commits count on it no longer.
        self.note("detached", site.name)
        self.keeps_all = False  # For one that is detached nothing is kept.
        for _ in range(self.random.randrange(3)):
            self.commit()
        self.attach(site)

    def hand_over(self) -> None:
        """Promote a standby that is in step while its link stands: the leader is fenced, nothing is lost."""
        site = self.best()
        if site is None or site.replica is None or site.replica.link.is_cut or self.is_exposed():
            return
        site.replica.set_faults(None)  # Over a link that loses frames the leader might not hear of it, or too late.
        self.let_pass(0.5)
        if not self.is_level(site):
            return
        self.note("handed over", f"{self.leader.name} to {site.name}")
        self.lead(site, gone=False)

    def fail_over(self, gone: bool) -> None:
        """Cut the leader off, or end it, and promote the best standby."""
        if self.is_exposed():
            return
        for each in self.sites:
            self.cut(each)
        site = self.best()
        if site is None:
            return
        self.note("failed over", f"{self.leader.name} {'gone' if gone else 'cut off'}, {site.name} leads")
        self.lead(site, gone)

    def damage(self, site: Site) -> None:
        """Change a record of a standby where it stands: the commit that touches it shows that, and it is mended."""
        if not self.synchronous or site.replica is None or site.replica.link.is_cut:
            return  # Without digests at commits nobody notices.
        self.finish_writers()
        site.replica.set_faults(None)
        self.let_pass(0.5 + 4 * self.distance)
        if not self.is_level(site):
            return
        undo = self.workload.damage(site.database)
        mended = self.touch_damaged(site)
        self.note("damaged", f"{site.name}, {'mended' if mended else 'not touched'}")
        if not mended:
            undo()

    def touch_damaged(self, site: Site) -> bool:
        """Commit a change of what was damaged. False: no commit is possible now."""
        try:
            self.workload.touch_damaged(self.leader.database)
        except (ReplicationError, ReadOnly, LockTimeout):
            return False
        end = self.clock.now + SETTLE_SECONDS
        while not self.is_level(site) or self.workload.is_damaged(site.database):
            require(self.clock.now < end, "I9", f"{site.name} is damaged, and it is not mended")
            self.let_pass(0.1)
        return True

    # Steps of the above.

    def attach(self, site: Site) -> None:
        """Make a system a standby of the leader, if that is possible now."""
        self.finish_writers()  # It waits for them.
        mode: Literal["sync", "async"] = "sync" if self.synchronous else "async"
        try:
            site.replica = replication.attach(
                self.leader.database,
                site.database,
                mode,
                name=site.name,
                clock=self.clock,
                pause=weakly(self.pause),
                faults=self.apart(),
                over_wire=self.over_wire,
                **self.limits,
            )
        except ReplicationError as error:
            site.replica = None
            self.note("not attached", f"{site.name}: {error}")
        else:
            self.note("attached", site.name)

    def apart(self) -> Faults | None:
        """Return what a link does that is only long."""
        return Faults(self.random.randrange(1 << 30), latency_seconds=self.distance) if self.distance else None

    def detach(self, site: Site) -> None:
        if site.replica is not None:
            self.finish_writers()
            site.replica.detach()
            site.replica = None

    def is_exposed(self) -> bool:
        """Whether the leader must not fail now: a copy was lost, and what it had may be nowhere else."""
        if not self.synchronous:
            return False
        if self.exposed:
            states = [entry.state for entry in replication.status(self.leader.database)]
            self.exposed = "in step" not in states
        return self.exposed

    def best(self) -> Site | None:
        """The standby to promote: the one that has received most of what the leader has sent."""
        able = []
        for site in self.sites:
            system = find_system(site.database)
            if site is self.leader or system is None or system.secondary is None or not system.identity.cluster:
                continue
            secondary = system.secondary
            place = (system.identity.epoch, secondary.received_transaction, secondary.received_lsn)
            able.append((place, site.name, site))
        return max(able, key=lambda found: found[:2])[2] if able else None

    def lead(self, site: Site, gone: bool) -> None:
        """Promote a standby, and let the others follow it."""
        if not self.synchronous:
            self.finish_writers()  # Asynchronously, what they are told says nothing of the standby.
        former, old = self.leader, self.leader.database
        had = self.seen.look(former.name, old, leads=True)
        own = self.made.get(old.root.epoch, set()) & had
        linked = site.replica is not None and not site.replica.link.is_cut
        if not linked:
            if site.replica is not None:
                site.replica.link.stop()  # Neither side hears of the other from here on.
        # Above every epoch there was: a standby that was away may not know of the last one.
        self.epoch = replication.promote(site.database, Epoch(self.epoch + 1)).epoch
        self.leader = site
        has = self.seen.look(site.name, site.database, leads=True)
        self.settle_accounts(had, has)
        self.finish_writers()
        if not gone:
            self.write_behind_its_back(former)
        site.replica = None
        for other in self.sites:
            if other is not site and other is not former:
                self.detach(other)
                self.attach(other)
        if gone:
            former.database = Database(former.name)
            self.seen.forget(former.name)
        former.replica = None
        self.attach(former)
        keeps_all, self.keeps_all = self.keeps_all, True
        if former.replica is not None and not gone and keeps_all:
            self.count_orphans(former, own - has)
        if self.synchronous:
            self.exposed = True

    def settle_accounts(self, had: set[int], has: set[int]) -> None:
        """I1: nothing acknowledged is missing on the new leader, but for what asynchronous mirroring may lose."""
        missing = (self.chronicle.acknowledged & had) - has
        if self.synchronous:
            require(not missing, "I1", f"{len(missing)} acknowledged commits are missing after the promotion")
        self.orphaned |= missing
        self.chronicle.acknowledged -= missing

    def write_behind_its_back(self, former: Site) -> None:
        """The former leader, cut off and alive, goes on writing: it must not acknowledge synchronous commits."""
        if not self.synchronous:
            return
        entry = self.workload.draw_entry()
        try:
            acknowledged = self.workload.run(former.database, entry)
        except (ReplicationError, ReadOnly):
            acknowledged = False
        require(not acknowledged, "I4", f"{former.name} acknowledges commits after {self.leader.name} was promoted")
        self.seen.aborted.add(entry)

    def count_orphans(self, former: Site, lost: set[int]) -> None:
        """A former primary hands back what it committed and its successor lacks, while its log was long enough."""
        self.let_pass(1.0 + 8 * self.distance)
        listed = replication.orphans(former.database)
        entries = {change[3] for orphan in listed for change in orphan.changes if change[1] == self.workload.tables[1]}
        if self.limits["log_bytes_max"] == 1 << 26:
            missing = len(lost - entries)
            require(not missing, "I8", f"{missing} of {len(lost)} lost commits are not among the orphans")

    # Looking.

    def check(self) -> None:
        """Look at every system as its readers do."""
        for site in sorted(self.sites, key=lambda site: site is not self.leader):
            leads = site is self.leader
            entries = self.seen.look(site.name, site.database, leads)
            if leads:
                missing = self.chronicle.acknowledged - entries
                require(not missing, "I1", f"{len(missing)} acknowledged commits are missing on the leader")
            self.check_memory(site)

    def check_memory(self, site: Site) -> None:
        """I7."""
        system = find_system(site.database)
        if system is None:
            return
        if system.publisher is not None:
            log = system.publisher.core.log
            require(log.bytes <= log.bytes_max, "I7", f"the log of {site.name} holds {log.bytes} bytes")
        if system.secondary is not None:
            waiting = len(system.secondary.outgoing)
            require(waiting <= QUEUE_MAX, "I7", f"{waiting} frames wait to leave {site.name}")

    def heal_all(self) -> None:
        """I9, I8: all links mended and no faults, every system gets level, commits go on, answers are true."""
        self.finish_writers()
        for site in self.sites:
            if site is self.leader:
                continue
            if site.replica is None:
                self.attach(site)
            require(site.replica is not None, "I9", f"{site.name} cannot be attached after healing")
            assert site.replica is not None
            site.replica.set_faults(None)
            if site.replica.link.is_cut:
                site.replica.heal()
        self.await_level()
        committed = len(self.chronicle.acknowledged)
        for _ in range(20):
            self.commit()
            self.finish_writers()
        require(len(self.chronicle.acknowledged) > committed, "I9", "no commit succeeds after healing")
        self.await_level()
        self.check()
        self.chronicle.check_answers(
            self.leader.database, self.seen.look(self.leader.name, self.leader.database, leads=True)
        )

    def await_level(self) -> None:
        end = self.clock.now + SETTLE_SECONDS
        while not all(self.is_level(site) for site in self.sites if site is not self.leader):
            states = replication.status(self.leader.database)
            require(self.clock.now < end, "I9", f"not level {SETTLE_SECONDS:g} virtual seconds after healing: {states}")
            self.let_pass(0.1)
            self.check()

    def is_level(self, site: Site) -> bool:
        if site.database.root.lsn != self.leader.database.root.lsn:
            return False
        states = {entry.name: entry.state for entry in replication.status(self.leader.database)}
        return states.get(site.name) in (("in step",) if self.synchronous else ("in step", "following"))


def weakly(pause: Callable[[float], None]) -> Callable[[float], None]:
    """Call a method of what must not be kept: a database's system, kept as long as the database, will hold this."""
    method = WeakMethod(pause)

    def call(seconds: float) -> None:
        alive = method()
        if alive is not None:
            alive(seconds)

    return call
