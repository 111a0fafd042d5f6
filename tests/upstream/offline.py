"""Runs a command in a network of its own in which there is nothing but the loopback interface.

    unshare --net --mount python offline.py COMMAND ARGS...

The suites of other projects are not ours to read line by line; here they cannot talk to anybody, whatever
they do. It also makes their runs the same everywhere: `localhost` has an address in both families, and
the interface has one more, of those for documentation, without which the resolver takes a machine for one
without a network.
"""

import fcntl
import os
import socket
import struct
import subprocess
import sys
import tempfile

PREFIX = ["unshare", "--net", "--mount", sys.executable, os.path.abspath(__file__)]
"""What goes in front of a command."""

HOSTS = "127.0.0.1 localhost\n::1 localhost\n"
ADDRESSES = "192.0.2.1", "2001:db8::1", "fe80::1"

_SIOCSIFADDR, _SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8916, 0x8913, 0x8914, 1


def available() -> bool:
    """Whether this machine lets us: it takes Linux, `unshare`, and root."""
    try:
        done = subprocess.run([*PREFIX, "true"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except FileNotFoundError:
        return False
    return done.returncode == 0


def main() -> None:
    bring_up_loopback()
    with tempfile.NamedTemporaryFile("w") as hosts:
        hosts.write(HOSTS)
        hosts.flush()
        # In our own mount namespace, and a file that is mounted stays although its name is gone.
        subprocess.run(["mount", "--bind", hosts.name, "/etc/hosts"], check=True)
    os.execvp(sys.argv[1], sys.argv[1:])


def bring_up_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        (flags,) = struct.unpack_from(
            "h", fcntl.ioctl(sock, _SIOCGIFFLAGS, struct.pack("16sh22x", b"lo", 0)), 16
        )
        fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | _IFF_UP))
        for number, address in enumerate(ADDRESSES):
            if ":" in address:
                with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock6:
                    packed = socket.inet_pton(socket.AF_INET6, address)
                    fcntl.ioctl(
                        sock6, _SIOCSIFADDR, struct.pack("16sIi", packed, 64, socket.if_nametoindex("lo"))
                    )
            else:
                # struct ifreq: the name of an alias, and a struct sockaddr_in.
                packed = struct.pack(
                    "16sHH4s16x", b"lo:%d" % number, socket.AF_INET, 0, socket.inet_aton(address)
                )
                fcntl.ioctl(sock, _SIOCSIFADDR, packed)


if __name__ == "__main__":
    main()
