"""Starts, kills and watches the processes of a cluster on the loopback interface.

It knows the command lines and `/status` of examples/kv/README.md and nothing about raft.
Whatever it starts, it ends: `Cluster` is a context manager that leaves no process behind,
and where `setpriv` exists the nodes die with this process even if it is killed itself.
Standard library only. It must be used from one thread, save for what `Client` and
`Node.status` say.
"""

from __future__ import annotations

import dataclasses
import http.client
import json
import random
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

ROOT = Path(__file__).resolve().parents[3]

TITLES = {"cpp": "C++", "go": "Go", "python": "Python", "rust": "Rust"}

# Below the range from which Linux takes the ports of outgoing connections, so that the
# port of a node that was killed is still free when it is started again.
PORTS = range(15000, 30000)

POLL_S = 0.05

T = TypeVar("T")


class DemoError(Exception):
    """The cluster did not do what it must; the message says what."""


class Unavailable(Exception):
    """No answer came: not reachable, cut off in the middle, or too slow."""


# ---------------------------------------------------------------- programs


@dataclasses.dataclass(frozen=True)
class Program:
    """One implementation of the server: how it is called and how it is started."""

    language: str
    command: tuple[str, ...]

    @property
    def title(self) -> str:
        return TITLES.get(self.language, self.language)


def built_programs() -> dict[str, Program]:
    """The servers that this checkout has built."""
    found = {}
    for language in ("cpp", "go"):
        binary = ROOT / "build" / f"kv-{language}"
        if binary.exists():
            found[language] = Program(language, (str(binary),))
    python = ROOT / ".venv" / "bin" / "python"
    server = ROOT / "examples" / "kv" / "python" / "server.py"
    if python.exists() and server.exists():
        imports = subprocess.run([python, "-c", "import libraft"], capture_output=True, check=False)
        if imports.returncode == 0:
            found["python"] = Program("python", (str(python), str(server)))
    return found


def given_programs(options: Iterable[str]) -> dict[str, Program]:
    """The servers named by `--program LANGUAGE=COMMAND`."""
    found = {}
    for option in options:
        language, separator, command = option.partition("=")
        if not (language and separator and command):
            raise DemoError(f"--program {option!r}: LANGUAGE=COMMAND is expected")
        found[language] = Program(language, tuple(shlex.split(command)))
    return found


def why_absent(language: str) -> str:
    """Why there is no server in a language, in a few words."""
    if language in ("cpp", "go", "python"):
        answer = subprocess.run([ROOT / "scripts" / "toolchain", language], capture_output=True, text=True, check=False)
        if answer.returncode == 1:
            return answer.stdout.strip()
        return "it has not been built"
    return "there is no such server"


def choose_programs(
    wanted: Sequence[str], available: Mapping[str, Program], note: Callable[[str], None]
) -> list[Program]:
    """One program for each wanted language; one that is absent is replaced, and that is noted.

    The replacement is the language that has been used least so far.
    """
    if not available:
        raise DemoError("no server has been built; run: make servers")
    # Most of the nodes should run what was asked for, so the languages that are there
    # are counted first, wherever they stand in the list.
    used = {language: list(wanted).count(language) for language in available}
    chosen = []
    for language in wanted:
        if language not in available:
            replacement = min(used, key=lambda name: used[name])
            used[replacement] += 1
            note(
                f"{TITLES.get(language, language)} is replaced by {available[replacement].title}: "
                f"{why_absent(language)}"
            )
            language = replacement
        chosen.append(available[language])
    return chosen


# ---------------------------------------------------------------- HTTP


class Client:
    """One keep-alive connection to one node. Each thread needs its own."""

    def __init__(self, address: str, timeout_s: float = 5.0) -> None:
        self.address = address
        host, _, port = address.rpartition(":")
        self._connection = http.client.HTTPConnection(host, int(port), timeout=timeout_s)

    def request(
        self, method: str, target: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Sends one request and gives (status, body). No second try is made.

        Raises Unavailable if no whole answer came; whether the request was carried out is
        then unknown.
        """
        try:
            self._connection.request(method, target, body=body, headers=dict(headers or {}))
            response = self._connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Unavailable(f"{method} {target} at {self.address}: {error!r}") from error

    def close(self) -> None:
        self._connection.close()


def percent_encoded(key: bytes) -> str:
    """A key as it stands in a URL: whatever is not a letter or a digit is escaped."""
    return "".join(chr(byte) if chr(byte).isascii() and chr(byte).isalnum() else f"%{byte:02X}" for byte in key)


# ---------------------------------------------------------------- nodes


@dataclasses.dataclass
class Node:
    """One member: its place, and its process if it has one."""

    id: int
    program: Program
    address: str
    data: Path
    log: Path
    flags: tuple[str, ...]
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    @property
    def name(self) -> str:
        return f"node {self.id} ({self.program.title})"

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Starts the process. It serves some time later: see Cluster.wait_serving."""
        if self.alive:
            raise DemoError(f"{self.name} is already running")
        command = [*self.program.command, "--id", str(self.id), "--data", str(self.data)]
        command += ["--listen", self.address, *self.flags]
        setpriv = shutil.which("setpriv")
        if setpriv:
            command = [setpriv, "--pdeathsig", "KILL", "--", *command]
        with self.log.open("ab") as log:
            # A session of its own, so that Ctrl-C at the terminal reaches only the driver.
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.starts += 1

    def kill(self) -> None:
        """SIGKILL, and waits until the process is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self, timeout_s: float = 10.0) -> int | None:
        """SIGTERM. Gives the exit code, or None if SIGKILL was needed."""
        if self.process is None:
            return 0
        self.process.terminate()
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def status(self, timeout_s: float = 2.0) -> dict[str, Any] | None:
        """What GET /status says, or None if there is no answer. May be called from any thread."""
        client = Client(self.address, timeout_s)
        try:
            code, body = client.request("GET", "/status")
            answer = json.loads(body)
            return answer if code == 200 and isinstance(answer, dict) else None
        except (Unavailable, ValueError):
            return None
        finally:
            client.close()

    def resident_kib(self) -> int | None:
        """The resident memory of the process, from Linux's /proc."""
        if not self.alive or self.process is None:
            return None
        try:
            lines = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii").splitlines()
        except OSError:
            return None
        return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), None)

    def last_words(self, lines: int = 15) -> str:
        """The end of what the process has printed."""
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])


class Cluster:
    """Some nodes in one directory. Leaving the `with` block kills what still runs."""

    def __init__(self, directory: Path, programs: Sequence[Program], seed: int) -> None:
        """Lays out a new cluster, or one with the same ports that lies in `directory` already."""
        self.directory = directory
        self.random = random.Random(seed)
        self.seed = seed
        self.nodes: dict[int, Node] = {}
        directory.mkdir(parents=True, exist_ok=True)
        book = directory / "addresses.json"
        if book.exists():
            addresses = json.loads(book.read_text(encoding="utf-8"))
            if len(addresses) != len(programs):
                raise DemoError(f"{directory} holds a cluster of {len(addresses)} nodes, not {len(programs)}")
        else:
            addresses = [f"127.0.0.1:{port}" for port in free_ports(len(programs))]
            book.write_text(json.dumps(addresses), encoding="utf-8")
        peers = ",".join(f"{i}={address}" for i, address in enumerate(addresses, 1))
        for i, (program, address) in enumerate(zip(programs, addresses, strict=True), 1):
            self._lay_out(i, program, address, ("--peers", peers))

    def _lay_out(self, node_id: int, program: Program, address: str, flags: tuple[str, ...]) -> Node:
        node = Node(
            id=node_id,
            program=program,
            address=address,
            data=self.directory / f"node-{node_id}",
            log=self.directory / f"node-{node_id}.log",
            flags=(*flags, "--seed", str(self.seed * 1000 + node_id)),
        )
        self.nodes[node_id] = node
        return node

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.kill_all()

    def kill_all(self) -> None:
        """Ends every process by its own id."""
        for node in self.nodes.values():
            if node.alive and node.process is not None:
                node.process.kill()
        for node in self.nodes.values():
            if node.process is not None:
                node.process.wait()

    # -- starting

    def start(self) -> None:
        """Starts every node, and waits until each one serves."""
        for node in self.nodes.values():
            node.start()
        for node in self.nodes.values():
            self.wait_serving(node)

    def joiner(self, program: Program) -> Node:
        """Lays out a node that is not a member yet."""
        node_id = max(self.nodes) + 1
        contact = next(node.address for node in self.nodes.values())
        (port,) = free_ports(1)
        return self._lay_out(node_id, program, f"127.0.0.1:{port}", ("--join", contact))

    def running(self) -> list[Node]:
        return [node for node in self.nodes.values() if node.alive]

    # -- waiting; each deadline is generous, and only there so that nothing waits for ever

    def wait_serving(self, node: Node, timeout_s: float = 30.0) -> dict[str, Any]:
        """Waits until a node answers /status as itself."""

        def serving() -> dict[str, Any] | None:
            if not node.alive:
                code = node.process.returncode if node.process else None
                raise DemoError(f"{node.name} ended by itself, exit code {code}:\n{node.last_words()}")
            status = node.status()
            if status is not None and status.get("id") != node.id:
                raise DemoError(f"{node.address} answers as node {status.get('id')}, not as {node.name}")
            return status

        return self.until(serving, timeout_s, f"{node.name} to serve")

    def wait_leader(self, timeout_s: float = 30.0, other_than: int | None = None) -> Node:
        """Waits until a majority of the members' nodes names one leader, who agrees."""

        def led() -> Node | None:
            statuses = self.statuses()
            leaders = [s for s in statuses.values() if s["role"] == "leader" and s["id"] != other_than]
            for status in sorted(leaders, key=lambda s: int(s["term"]), reverse=True):
                followers = [
                    s for s in statuses.values() if s["leader"] == status["id"] and s["term"] == status["term"]
                ]
                if 2 * len(followers) > len(status["members"]):
                    return self.nodes[status["id"]]
            return None

        return self.until(led, timeout_s, "a leader")

    def wait_applied(self, node: Node, index: int, timeout_s: float = 60.0) -> dict[str, Any]:
        """Waits until a node has applied an index."""

        def applied() -> dict[str, Any] | None:
            status = node.status()
            return status if status is not None and int(status["applied"]) >= index else None

        return self.until(applied, timeout_s, f"{node.name} to apply index {index}", [node])

    def wait_caught_up(self, node: Node, timeout_s: float = 60.0) -> dict[str, Any]:
        """Waits until a node has applied what the cluster has committed by now."""
        commit = max((int(s["commit"]) for s in self.statuses().values()), default=0)
        return self.wait_applied(node, commit, timeout_s)

    def wait_equal(self, nodes: Sequence[Node], timeout_s: float = 60.0) -> dict[int, dict[str, Any]]:
        """Waits until some nodes have applied the same index; nobody may be writing."""

        def equal() -> dict[int, dict[str, Any]] | None:
            statuses = {node.id: node.status() for node in nodes}
            whole = {i: s for i, s in statuses.items() if s is not None}
            if len(whole) < len(nodes):
                return None
            applied = {s["applied"] for s in whole.values()}
            settled = applied == {max(int(s["commit"]) for s in whole.values())}
            return whole if settled else None

        return self.until(equal, timeout_s, "all nodes to apply the same index", nodes)

    def until(
        self, probe: Callable[[], T | None], timeout_s: float, what: str, nodes: Sequence[Node] | None = None
    ) -> T:
        """Calls `probe` until it gives something, or raises DemoError when the time is up."""
        deadline = time.monotonic() + timeout_s
        while True:
            answer = probe()
            if answer is not None:
                return answer
            if time.monotonic() > deadline:
                raise DemoError(f"waited {timeout_s:.0f} s in vain for {what}\n{self.describe(nodes)}")
            time.sleep(POLL_S)

    # -- asking

    def statuses(self) -> dict[int, dict[str, Any]]:
        """What every running node says of itself; those that do not answer are left out."""
        answers = {node.id: node.status() for node in self.running()}
        return {i: status for i, status in answers.items() if status is not None}

    def describe(self, nodes: Sequence[Node] | None = None) -> str:
        """The state of the nodes, for the message of a failure."""
        lines = []
        for node in nodes or self.nodes.values():
            lines.append(f"  {node.name}: {json.dumps(node.status()) if node.alive else 'not running'}")
            lines.append(node.last_words(5))
        return "\n".join(line for line in lines if line)

    # -- membership

    def change_members(self, method: str, node: Node, timeout_s: float = 30.0) -> None:
        """PUT or DELETE /members/ID, again and again until it is acknowledged.

        A try that was answered 503 may have happened all the same: then a removal is
        answered 404 later, and an addition is simply repeated.
        """
        body = node.address.encode() if method == "PUT" else None
        tried = False

        def changed() -> bool | None:
            nonlocal tried
            for other in self.running():
                if other is node:
                    continue
                client = Client(other.address)
                try:
                    code, answer = client.request(method, f"/members/{node.id}", body)
                except Unavailable:
                    tried = True
                    continue
                finally:
                    client.close()
                if code == 200 or (code == 404 and method == "DELETE" and tried):
                    return True
                if code not in (409, 503):
                    raise DemoError(f"{method} /members/{node.id} at {other.name}: {code} {answer.decode()}")
                tried = True
            return None

        self.until(changed, timeout_s, f"{method} /members/{node.id}")


def free_ports(count: int) -> list[int]:
    """Distinct ports on which nobody listens at this moment."""
    ports: list[int] = []
    # Not seeded: two runs at the same time must not try the same ports in the same order.
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.append(port)
        if len(ports) == count:
            return ports
    raise DemoError("no free port")


def signal_name(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
