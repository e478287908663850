"""The simulation of failovers: keepers, a coordinator, processes and an adversary, all drawn from one seed.

    seed --> settings   two to four machines, k of n, how fast their clocks run, how the coordinator answers
         --> steps      commits wherever a machine leads, or thinks so | let time pass
                        | a process stands still, for longer than its lease lasts or less | ends, begins again empty
                        | machines apart | a machine cut off from the coordinator | other troubles of both
                        | hand over | stop, the lease given back | the coordinator forgets everything
         --> healing    no more faults: one leads within a bound, the others are in step with equal digests

Nobody operates it: who leads is the keepers' decision alone. The adversary ends a process only where the record in
force leaves somebody who may lead: what one failure may not lose, several at a time may.

What is checked besides the invariants of `invariants`: a commit is shown by whom the record in force names, and in no
older epoch than any commit before it; no two machines that run may both take themselves for the leader.
"""

from __future__ import annotations

from contextlib import suppress
from random import Random
from typing import Any

from tandemdb import replication
from tandemdb.replication import CommitInDoubt, Faults, ReplicationError, replica
from tandemdb.replication.coordination import Record
from tandemdb.replication.core.limits import Limits
from tandemdb.storage import LockTimeout, ReadOnly, Root
from tandemdb.testing.adverse_coordinator import AdverseCoordinator
from tandemdb.testing.chronicle import Chronicle, Report
from tandemdb.testing.clock import STEP_SECONDS, VirtualClock
from tandemdb.testing.invariants import Observations, require
from tandemdb.testing.machines import Machine, Tie
from tandemdb.testing.turns import Turns
from tandemdb.testing.workload import Workload

STEPS = 50
LEASE_SECONDS = 3.0
SETTLE_SECONDS = 120.0
# The clocks of two machines differ by less than the third of a lease that is left for it.
RATE_MIN, RATE_MAX = 0.85, 1.15
PUMP_SECONDS = 0.05
APART_SECONDS = 2.0
WAITS_MAX = 20


def simulate_failover(seed: int, steps: int = STEPS) -> Report:
    """Run one simulated cluster with a coordinator; the same seed does the same again.

    Raises:
        InvariantBroken: a promise did not hold. The message ends with the command that repeats it.
    """
    simulation = Failover(seed, steps)
    try:
        with simulation.chronicle.repeatable(f"--failover --seed {seed} --steps {steps}"):
            return simulation.run()
    finally:
        simulation.forget()


class Failover:
    """One cluster with a coordinator."""

    def __init__(self, seed: int, steps: int) -> None:
        self.steps = steps
        self.random = random = Random(f"failover {seed}")
        self.clock = VirtualClock()
        self.chronicle = Chronicle(seed, self.clock)
        self.turns = Turns()
        self.workload = Workload(random)
        self.seen = Observations(self.workload)
        self.coordinator = AdverseCoordinator(random, self.clock, random.uniform(RATE_MIN, RATE_MAX))
        self.limits: dict[str, Any] = {
            "required": random.choice([1, 1, 2]),
            "min_sync": random.choice([0, 0, 1]),
            "on_loss": random.choice([None, None, "wait", "refuse"]),
            "loss_grace_seconds": random.choice([0.1, 1.0]),
            "log_bytes_max": random.choice([3000, 1 << 26]),
            "gather_seconds": random.choice([0.0, 1.0]),
            "acknowledge": random.choice(["applied", "received"]),
        }
        self.machines: dict[str, Machine] = {}
        self.ended: list[Machine] = []
        self.ties: list[Tie] = []
        self.apart: set[frozenset[str]] = set()
        self.distance = random.choice([0.0, 0.01])
        self.troubled = False
        # The newest epoch in which a commit was shown, and the LSN of the last one, by machine.
        self.epoch = 0
        self.shown: dict[Machine, int] = {}

    def run(self) -> Report:
        """Run all of it."""
        for name in "abcd"[: self.random.choice([2, 3, 3, 4])]:
            self.start(name)
        self.await_whole()
        leader = self.leader()
        assert leader is not None
        leader.writers.append(leader.run_task(lambda: self.workload.load(leader.database)))
        self.await_whole()
        for _ in range(self.steps):
            self.step()
            self.check()
        self.heal_all()
        return self.chronicle.report()

    def step(self) -> None:
        """Let something happen."""
        random = self.random
        draw = random.random()
        machine = random.choice(list(self.machines.values()))
        if draw < 0.40:
            self.commit()
        elif draw < 0.60:
            self.let_pass(random.choice([0.05, 0.5, 2.0, LEASE_SECONDS]))
        elif draw < 0.67:
            self.stop_for_a_while(machine)
        elif draw < 0.75:
            self.part(machine)
        elif draw < 0.81:
            self.mend()
        elif draw < 0.86:
            machine.line.is_cut = not machine.line.is_cut
            self.note("line", f"{machine.name} {'cut off from' if machine.line.is_cut else 'back at'} the coordinator")
        elif draw < 0.90:
            self.coordinator.trouble = random.choice([0.0, 0.1, 0.5, 0.9])
            self.troubled = not self.troubled
            self.note("trouble", f"coordinator {self.coordinator.trouble}, links {self.troubled}")
        elif draw < 0.96:
            self.restart(machine)
        elif draw < 0.99:
            self.hand_over(machine)
        else:
            self.wipe()

    # What may happen.

    def commit(self) -> None:
        """Begin transactions wherever a machine leads, or thinks that it does."""
        for machine in list(self.machines.values()):
            if machine.database.read_only is None and machine.runs and len(machine.writers) < 6:
                for _ in range(self.random.choice([1, 2, 4])):
                    machine.writers.append(machine.run_task(lambda machine=machine: self.write(machine)))  # type: ignore[misc]
        self.let_pass(0.02)

    def write(self, machine: Machine) -> None:
        """Run a transaction; what becomes of one whose process has ended, nobody is told."""
        entry = self.workload.draw_entry()
        if self.random.random() < 0.3:
            self.pause(self.random.random() * 0.3)
        for _ in range(WAITS_MAX):  # For the writer's place, which others have.
            if not machine.database.is_taken:
                break
            self.pause(0.02)
        try:
            committed = self.workload.run(
                machine.database, entry, lambda: self.pause(self.random.choice([0.1, 1.0]) * self.random.random())
            )
        except CommitInDoubt as error:
            if not machine.ended:
                self.chronicle.doubtful[entry] = error.transaction
                self.note("in doubt", f"{machine.name} {entry}, as {type(error).__name__}")
        except (ReplicationError, ReadOnly, LockTimeout) as error:
            self.seen.aborted.add(entry)
            self.note("refused", f"{machine.name} {type(error).__name__}")
        else:
            if not committed:
                self.seen.aborted.add(entry)
            elif not machine.ended:
                self.chronicle.acknowledged.add(entry)
                self.note("committed", f"{machine.name} {entry}, at LSN {machine.database.root.lsn}")

    def stop_for_a_while(self, machine: Machine) -> None:
        """Let a process stand still: its threads, all that it has read and not yet acted upon."""
        seconds = self.random.choice([0.5, 2.0, LEASE_SECONDS, 2 * LEASE_SECONDS]) * self.random.uniform(0.8, 1.5)
        machine.stopped_until = max(machine.stopped_until, self.clock.now + seconds)
        self.note("stopped", f"{machine.name} for {seconds:.2f} s")

    def part(self, machine: Machine) -> None:
        """Let nothing get through between a machine and another one, or all others."""
        others = [name for name in self.machines if name != machine.name]
        if self.random.random() < 0.6:
            others = [self.random.choice(others)]
        self.apart |= {frozenset({machine.name, other}) for other in others}
        self.note("apart", f"{machine.name} from {', '.join(others)}")

    def mend(self) -> None:
        """Mend the network, or a part of it."""
        if self.random.random() < 0.5:
            self.apart.clear()
        elif self.apart:
            self.apart.discard(self.random.choice(sorted(self.apart, key=sorted)))
        for machine in self.machines.values():
            machine.line.is_cut = machine.line.is_cut and self.random.random() < 0.5
        self.note("mended", f"{len(self.apart)} pairs are apart")

    def restart(self, machine: Machine) -> None:
        """End a process, with or without giving its lease back, and begin it again: empty, under its name."""
        if not self.may_end(machine):
            return
        gracefully = self.random.random() < 0.3
        self.note("restarted", f"{machine.name}{', its lease given back' if gracefully else ''}")
        if gracefully:
            machine.stopped_until = 0.0
            task = machine.run_task(machine.close)
            while not task.done:
                self.let_pass(0.05)
            if not self.may_end(machine):
                machine.begin()  # Things have changed meanwhile.
                return
        self.end(machine)
        if self.random.random() < 0.5:
            self.let_pass(self.random.uniform(0.1, 1.5 * LEASE_SECONDS))
        self.start(machine.name)

    def may_end(self, machine: Machine) -> bool:
        """Whether there would still be somebody who may lead, whichever changes of the record are carried out yet."""
        kept = self.coordinator.kept.read().record
        return kept is not None and all(self.can_lose(machine, each) for each in (kept, *self.coordinator.under_way()))

    def can_lose(self, machine: Machine, record: Record) -> bool:
        """Whether somebody else may lead by this record."""
        alive = [each for each in self.machines.values() if each is not machine and not each.ended]
        members = [each.keeper.me for each in alive if each.keeper is not None]
        if any(record.primary.is_same(member) for member in members):
            return True
        return sum(record.names(member) for member in members) >= record.must_be_heard

    def hand_over(self, machine: Machine) -> None:
        """Let whoever leads hand its place over."""
        leader = self.leader()
        if leader is None or leader is machine:
            return
        leader.writers.append(leader.run_task(lambda: self.try_to_hand_over(leader, machine)))

    def try_to_hand_over(self, leader: Machine, successor: Machine) -> None:
        try:
            leader.hand_to(successor)
        except ReplicationError as error:
            self.note("not handed over", f"{leader.name} to {successor.name}: {error}")
        else:
            self.note("handed over", f"{leader.name} to {successor.name}")

    def wipe(self) -> None:
        """Let the coordinator forget record and lease, where whoever leads can write the record anew.

        It cannot if others have let go of it, to stand: what came of that would be on the record. That is then for an
        operator to say. And whoever knows nothing of the cluster yet would found another one.
        """
        leader = self.leader()
        if leader is None or self.coordinator.under_way():
            return
        if any(each is not leader and not each.follows_machine(leader) for each in self.machines.values()):
            return
        self.coordinator.wipe()
        self.note("wiped", f"the coordinator, while {leader.name} leads")

    # Time.

    def pause(self, seconds: float) -> None:
        """Let time pass, wherever it is: a task lets others go on, everybody else lets them all."""
        if self.turns.is_task:
            self.turns.pause(self.clock.now + max(seconds, STEP_SECONDS))
        else:
            self.let_pass(seconds)

    def let_pass(self, seconds: float) -> None:
        """Let time pass: tasks, frames and requests go on as they are due."""
        end = self.clock.now + seconds
        while True:
            self.coordinator.carry_out_late()
            self.resume_tasks()
            self.tend_ties()
            moved = sum(tie.pump() for tie in self.ties)
            if not moved:
                if self.clock.now >= end:
                    return
                self.clock.now = max(self.clock.now + STEP_SECONDS, min(self.next_due(), end))

    def next_due(self) -> float:
        """Tell when something wants to go on next."""
        dues = [
            max(task.due, machine.stopped_until)
            for machine in (*self.machines.values(), *self.ended)
            for task in machine.tasks
            if not task.done
        ]
        dues += [due for tie in self.ties if (due := tie.due_at()) is not None and due > self.clock.now]
        return min(*dues, self.clock.now + PUMP_SECONDS)

    def resume_tasks(self) -> None:
        """Let those go on whose time has come and whose process does not stand still, in any order."""
        for machine in (*self.machines.values(), *self.ended):
            if not machine.runs:
                continue
            due = [task for task in machine.tasks if task.due <= self.clock.now and not task.done]
            if not due:
                continue
            self.random.shuffle(due)
            for task in due:
                self.turns.resume(task)
            machine.tasks = [task for task in machine.tasks if not task.done]
            machine.writers = [task for task in machine.writers if not task.done]
            if machine.in_office and not machine.ended:
                self.leader()
        for machine in [each for each in self.ended if not each.tasks]:
            machine.forget()
            self.ended.remove(machine)

    def tend_ties(self) -> None:
        """Let connections break that nobody wants or that nothing gets through, and those connect that are to."""
        now = self.clock.now
        for tie in self.ties:
            if not self.are_apart(tie.here, tie.there):
                tie.apart_since = None
            elif tie.apart_since is None:
                tie.apart_since = now
            gone = tie.there.ended or not tie.follower.wants_link
            silent = tie.apart_since is not None and now - tie.apart_since > APART_SECONDS
            if tie.here.ended or (tie.here.runs and (silent or (gone and tie.apart_since is None))):
                tie.cut()
        self.ties = [tie for tie in self.ties if not tie.is_cut]
        linked = {tie.follower for tie in self.ties}
        for machine in self.machines.values():
            follower = machine.follower
            if follower is not None and follower not in linked and machine.runs and now >= machine.connect_at:
                tie_made = machine.connect(follower)
                if tie_made is not None:
                    self.ties.append(tie_made)

    # Steps of the above.

    def start(self, name: str) -> None:
        limits = Limits(**self.limits)
        machine = Machine(self, name, limits, LEASE_SECONDS, self.random.uniform(RATE_MIN, RATE_MAX))
        self.machines[name] = machine
        machine.begin()

    def end(self, machine: Machine) -> None:
        machine.end()
        self.seen.forget(machine.name)
        self.ended.append(machine)
        for tie in self.ties:
            if machine in (tie.here, tie.there):
                tie.cut()

    def find(self, name: str) -> Machine:
        return self.machines[name]

    def are_apart(self, one: Machine, other: Machine) -> bool:
        return one.ended or other.ended or frozenset({one.name, other.name}) in self.apart

    def new_faults(self) -> Faults | None:
        """Draw what a link does to frames."""
        random = self.random
        if not self.troubled:
            return Faults(latency_seconds=self.distance) if self.distance else None
        return Faults(
            random.randrange(1 << 30),
            drop=random.choice([0.0, 0.05]),
            reorder=random.choice([0.0, 0.1]),
            delay_seconds=random.choice([0.01, 0.4]),
            latency_seconds=self.distance,
        )

    def leader(self) -> Machine | None:
        """Find the machine that leads: I4, there are no two."""
        leaders = [each for each in self.machines.values() if each.runs and not each.ended and leads(each)]
        told = " and ".join(f"{each.name}, in epoch {each.system.identity.epoch}" for each in leaders)
        require(len(leaders) <= 1, "I4", f"{told}, both lead")
        return leaders[0] if leaders else None

    # Looking.

    def committed(self, machine: Machine, root: Root) -> None:
        """A machine shows a commit of its own: I4."""
        if root.lsn <= self.shown.get(machine, -1):
            return  # The same commit in another form.
        self.shown[machine] = root.lsn
        if machine.ended:
            return
        record = self.coordinator.kept.read().record or self.coordinator.forgotten
        told = f"{machine.name} shows LSN {root.lsn} of epoch {root.epoch}"
        assert record is not None and machine.keeper is not None
        named = f"{record.primary.node} for epoch {record.epoch}"
        require(record.primary.is_same(machine.keeper.me), "I4", f"{told}, and the record names {named}")
        require(root.epoch >= self.epoch, "I4", f"{told} after commits of epoch {self.epoch}")
        self.epoch = root.epoch
        self.seen.leader_committed(machine.name, root)

    def check(self) -> None:
        """Look at every machine as its readers do."""
        leader = self.leader()
        for machine in sorted(self.machines.values(), key=lambda each: not each.in_office):
            entries = self.seen.look(machine.name, machine.database, machine.in_office)
            if machine is leader and self.workload.is_loaded:
                missing = self.chronicle.acknowledged - entries
                require(not missing, "I1", f"{len(missing)} acknowledged commits are missing on {machine.name}")
            publisher = machine.system.publisher
            if publisher is not None:
                kept = publisher.core.log
                require(kept.bytes <= kept.bytes_max, "I7", f"the log of {machine.name} holds {kept.bytes} bytes")

    def heal_all(self) -> None:
        """I9, I8: all mended and no faults, one leads, all are in step, commits go on, answers are true."""
        self.apart.clear()
        self.coordinator.trouble = 0.0
        self.troubled = False
        for tie in self.ties:
            tie.set_faults(None)
        for machine in self.machines.values():
            machine.line.is_cut = False
            machine.stopped_until = 0.0
        self.note("healed", "all")
        self.await_whole()
        committed = len(self.chronicle.acknowledged)
        for _ in range(5):
            self.commit()
            self.let_pass(0.5)
        require(len(self.chronicle.acknowledged) > committed, "I9", "no commit succeeds after healing")
        self.await_whole()
        self.check()
        leader = self.leader()
        assert leader is not None
        self.chronicle.check_answers(leader.database, self.seen.look(leader.name, leader.database, leads=True))

    def await_whole(self) -> None:
        """I9: let time pass until one leads and all others are on the record, level, with equal digests."""
        end = self.clock.now + SETTLE_SECONDS
        while not self.is_whole():
            state, told = self.coordinator.kept.read(), [self.describe(each) for each in self.machines.values()]
            require(self.clock.now < end, "I9", f"not whole {SETTLE_SECONDS:g} virtual seconds later: {state}, {told}")
            self.let_pass(0.5)
            self.check()

    def is_whole(self) -> bool:
        leader, record = self.leader(), self.coordinator.kept.read().record
        if leader is None or record is None or any(machine.writers for machine in self.machines.values()):
            return False
        root = leader.database.root
        for machine in self.machines.values():
            assert machine.keeper is not None
            if machine is not leader and (machine.database.root.lsn != root.lsn or not record.names(machine.keeper.me)):
                return False
            if machine.database.digest() != leader.database.digest():
                return False
        return True

    def describe(self, machine: Machine) -> str:
        assert machine.keeper is not None
        states = {entry.name: entry.state for entry in replication.status(machine.database)}
        place = f"LSN {machine.database.root.lsn} of epoch {machine.system.identity.epoch}"
        follower = machine.follower
        return f"{machine.name} {machine.keeper.describe()}, {place}, {states}, {follower.reason if follower else ''}"

    def forget(self) -> None:
        """Let all tasks come to their ends, and the databases go."""
        for machine in list(self.machines.values()):
            if not machine.ended:
                self.end(machine)
        for _ in range(1000):
            if not self.ended:
                return
            self.clock.now += 0.5
            with suppress(Exception):  # What breaks in a cluster that is gone tells nothing.
                self.resume_tasks()

    def note(self, event: str, text: str) -> None:
        self.chronicle.note(event, text)


def leads(machine: Machine) -> bool:
    """Whether a machine takes itself for the leader, as whoever connects to it is told."""
    return machine.in_office and replica.leads(machine.database)
