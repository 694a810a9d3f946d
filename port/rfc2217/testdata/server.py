# Runs pyserial's example server, "python3 server.py EXAMPLE PORT", but on a
# free port of the loopback, which it prints, where the example itself would
# listen on all addresses.
import runpy
import socket
import sys

bind, listen = socket.socket.bind, socket.socket.listen


def bind_loopback(self, address):
    bind(self, ("127.0.0.1", 0))


def listen_and_tell(self, backlog):
    listen(self, backlog)
    print("listening", self.getsockname()[1], flush=True)


socket.socket.bind = bind_loopback
socket.socket.listen = listen_and_tell
example, port = sys.argv[1:]
sys.argv = [example, port]
runpy.run_path(example, run_name="__main__")
