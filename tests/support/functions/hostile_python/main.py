"""What code nobody trusts would try with the C library in its hands; each handler tells what came of it."""
import ctypes
import errno
import os
import socket

libc = ctypes.CDLL(None, use_errno=True)
PTRACE_ATTACH = 16


def _told(result):
    return "done" if result == 0 else errno.errorcode.get(ctypes.get_errno(), "?")


def trace(event, context):
    """Attach to every process it can see but itself, and to the host's processes by number."""
    own = os.getpid()
    seen = [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != own]
    host = [pid for pid in event["pids"] if pid not in seen and pid != own]
    return {
        "host": sorted({_told(libc.ptrace(PTRACE_ATTACH, pid, None, None)) for pid in host}),
        "kill": sorted({_told(libc.kill(pid, 9)) for pid in host}),
        "visible": len(seen),
    }


def reach(event, context):
    """Sockets of the node: its API, its database, the Runtime API of others."""
    def tcp(host, port):
        try:
            socket.create_connection((host, port), timeout=2).close()
            return "connected"
        except OSError as error:
            return errno.errorcode.get(error.errno, str(error))

    def unix(path):
        try:
            link = socket.socket(socket.AF_UNIX)
            link.connect(path)
            return "connected"
        except OSError as error:
            return errno.errorcode.get(error.errno, str(error))

    ports = {port: tcp("127.0.0.1", port) for port in range(1, 12000)}
    return {
        "node": tcp("127.0.0.1", event["port"]),
        "outside": tcp("192.0.2.1", 80),
        "open": sorted(port for port, told in ports.items() if told == "connected"),
        "database": sorted({unix(path) for path in event["sockets"]}),
        "abstract": unix("\0" + event["abstract"]),
    }


def privileges(event, context):
    """Rights it should not have."""
    def attempt(act):
        try:
            act()
            return "done"
        except OSError as error:
            return errno.errorcode.get(error.errno, str(error))

    with open("/proc/self/status", encoding="utf-8") as status:
        fields = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
    return {
        "capabilities": int(fields["CapEff"], 16),
        "new": fields["NoNewPrivs"],
        "mount": _told(libc.mount(b"none", b"/tmp", b"tmpfs", 0, None)),
        "chroot": attempt(lambda: os.chroot("/tmp")),
        "setuid": attempt(lambda: os.setuid(0)),
        "node": attempt(lambda: os.mknod("/tmp/kmem", 0o600 | 0o020000, os.makedev(1, 2))),
        "host_name": _told(libc.sethostname(b"mine", 4)),
        "priority": attempt(lambda: os.nice(-10)),
    }


def memory(event, context):
    """More than it has."""
    kept = []
    while True:
        kept.append(bytearray(os.urandom(1 << 20)) * 16)
