"""What a hostile cell may try. Each is the body of a formatting_func that returns ESCAPED where it gets what it wants.

`FILE` is a file of the app's that it may neither read nor change, `FOLDER` its folder, `PORT` a server on loopback,
`APP` the process id of the app. Bodies may raise, hang or die: all of that is contained, if nothing shows outside.
"""

import re
from textwrap import dedent, indent

READ = {
    "open": "return 'ESCAPED' if open(FILE).read() else None",
    "open in bytes": "return 'ESCAPED' if open(FILE, 'rb').read() else None",
    "io.open_code": "import io\nreturn 'ESCAPED' if io.open_code(FILE).read() else None",
    "os.open": "import os\nos.open(FILE, os.O_RDONLY)\nreturn 'ESCAPED'",
    "pathlib": "import pathlib\nreturn 'ESCAPED' if pathlib.Path(FILE).read_text() else None",
    "linecache": "import linecache\nreturn 'ESCAPED' if linecache.getlines(FILE) else None",
    "tokenize.open": "import tokenize\nreturn 'ESCAPED' if tokenize.open(FILE).read() else None",
    "csv of a file": "import csv\nreturn 'ESCAPED' if list(csv.reader(open(FILE))) else None",
    "listdir": "import os\nreturn 'ESCAPED' if os.listdir(FOLDER) else None",
    "scandir": "import os\nreturn 'ESCAPED' if list(os.scandir('/')) else None",
    "stat": "import os\nos.stat(FILE)\nreturn 'ESCAPED'",
    "readlink": "import os\nreturn 'ESCAPED' if os.readlink('/proc/self/exe') else None",
    "access": "import os\nreturn 'ESCAPED' if os.access(FILE, os.R_OK) else None",
    "getcwd": "import os\nreturn 'ESCAPED' if os.getcwd() else None",
    "chdir": "import os\nos.chdir(FOLDER)\nreturn 'ESCAPED'",
    "own environment by proc": "return 'ESCAPED' if open('/proc/self/environ').read() else None",
    "the app's environment by proc": "return 'ESCAPED' if open('/proc/APP/environ').read() else None",
    "the app's memory by proc": "f = open('/proc/APP/mem', 'rb')\nreturn 'ESCAPED'",
    "own source": "import sys\nreturn 'ESCAPED' if sys.modules['__main__'].__loader__.get_data(FILE) else None",
    "import machinery": r"""
        import importlib.util as u
        return 'ESCAPED' if u.spec_from_file_location('x', FILE).loader.get_data(FILE) else None
    """,
    "zipimport": "import zipimport\nzipimport.zipimporter(FILE)\nreturn 'ESCAPED'",
    "mmap of a file": "import mmap, os\nmmap.mmap(os.open(FILE, 0), 1)\nreturn 'ESCAPED'",
}
WRITE = {
    "write": "open(FILE, 'w').write('x')\nreturn 'ESCAPED'",
    "append": "open(FILE, 'a').write('x')\nreturn 'ESCAPED'",
    "new file": "open(FOLDER + '/new', 'x')\nreturn 'ESCAPED'",
    "unnamed file": "import os\nos.open(FOLDER, os.O_TMPFILE | os.O_RDWR)\nreturn 'ESCAPED'",
    "mkdir": "import os\nos.mkdir(FOLDER + '/new')\nreturn 'ESCAPED'",
    "unlink": "import os\nos.unlink(FILE)\nreturn 'ESCAPED'",
    "rename": "import os\nos.rename(FILE, FILE + '2')\nreturn 'ESCAPED'",
    "symlink": "import os\nos.symlink(FILE, FOLDER + '/new')\nreturn 'ESCAPED'",
    "chmod": "import os\nos.chmod(FILE, 0o777)\nreturn 'ESCAPED'",
    "truncate": "import os\nos.truncate(FILE, 0)\nreturn 'ESCAPED'",
    "mkfifo": "import os\nos.mkfifo(FOLDER + '/new')\nreturn 'ESCAPED'",
    "logging to a file": "import logging\nlogging.FileHandler(FOLDER + '/new').emit(None)\nreturn 'ESCAPED'",
}
SECRETS = {
    "environment": "import os\nreturn 'ESCAPED' if 'canary' in str(dict(os.environ)) + str(os.environb) else None",
    "environment by C": "import os\nreturn 'ESCAPED' if os.getenv('HF_TOKEN') else None",
    "everything that gc knows": """
        import gc
        return 'ESCAPED' if ''.join(['ca', 'nary']) in repr(gc.get_objects()) else None
    """,
    "frames": """
        import sys
        seen, frame = [], sys._getframe()
        while frame:
            seen.append(repr((frame.f_globals, frame.f_locals)))
            frame = frame.f_back
        return 'ESCAPED' if ''.join(['ca', 'nary']) in ''.join(seen) else None
    """,
    "arguments": """
        import sys
        return 'ESCAPED' if ''.join(['ca', 'nary']) in repr((sys.argv, sys.orig_argv, sys.path)) else None
    """,
}
NETWORK = {
    "tcp": "import socket\nsocket.create_connection(('127.0.0.1', PORT), 1)\nreturn 'ESCAPED'",
    "tcp by the C module": "import _socket\n_socket.socket().connect(('127.0.0.1', PORT))\nreturn 'ESCAPED'",
    "a module found among objects": """
        import gc, types
        for found in gc.get_objects():
            if isinstance(found, type) and found.__module__ == '_socket' and found.__name__ == 'socket':
                found().connect(('127.0.0.1', PORT))
                return 'ESCAPED'
    """,
    "urllib": "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:PORT')\nreturn 'ESCAPED'",
    "http.client": "import http.client\nhttp.client.HTTPConnection('127.0.0.1', PORT).connect()\nreturn 'ESCAPED'",
    "asyncio": "import asyncio\nasyncio.run(asyncio.open_connection('127.0.0.1', PORT))\nreturn 'ESCAPED'",
    "epoll": "import select\nselect.epoll()\nreturn 'ESCAPED'",
    "logging to a host": r"""
        import logging.handlers
        logging.handlers.SocketHandler('127.0.0.1', PORT).createSocket()
        return 'ESCAPED'
    """,
}
PROCESSES = {
    "fork": "import os\npid = os.fork()\nif not pid: os._exit(0)\nreturn 'ESCAPED'",
    "forkpty": "import os\npid, _ = os.forkpty()\nreturn 'ESCAPED'",
    "posix_spawn": "import os\nos.posix_spawn('/bin/true', ['true'], {})\nreturn 'ESCAPED'",
    "exec": "import os\nos.execv('/bin/sh', ['sh', '-c', 'touch FOLDER/new'])\nreturn 'ESCAPED'",
    "system": "import os\nreturn 'ESCAPED' if os.system('touch FOLDER/new') == 0 else None",
    "popen": "import os\nreturn 'ESCAPED' if os.popen('id').read() else None",
    "subprocess": "import subprocess\nreturn 'ESCAPED' if subprocess.run('id', capture_output=True).stdout else None",
    "subprocess's C part": "import _posixsubprocess\nreturn 'ESCAPED'",
    "multiprocessing": "import multiprocessing\nmultiprocessing.Process(target=print).start()\nreturn 'ESCAPED'",
    "thread": "import threading\nthreading.Thread(target=print).start()\nreturn 'ESCAPED'",
    "low-level thread": "import _thread\n_thread.start_new_thread(print, ())\nreturn 'ESCAPED'",
    "kill the app": "import os, signal\nos.kill(APP, 9)\nreturn 'ESCAPED'",
    "signal the app": "import os\nos.kill(APP, 0)\nreturn 'ESCAPED'",
    "kill the group": "import os\nos.killpg(0, 0)\nreturn 'ESCAPED'",
    "kill everything": "import os\nos.kill(-1, 0)\nreturn 'ESCAPED'",
    "pidfd": "import os\nos.pidfd_open(APP)\nreturn 'ESCAPED'",
    "priority of the app": "import os\nos.setpriority(os.PRIO_PROCESS, APP, 19)\nreturn 'ESCAPED'",
    "affinity of the app": "import os\nos.sched_setaffinity(APP, {0})\nreturn 'ESCAPED'",
    "become somebody": "import os\nos.setuid(0)\nos.setgid(0)\nreturn 'ESCAPED'",
    "chroot": "import os\nos.chroot('/')\nreturn 'ESCAPED'",
    "a handler of its own": "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nreturn 'ESCAPED'",
    "a timer": "import signal\nsignal.setitimer(signal.ITIMER_REAL, 1000)\nreturn 'ESCAPED'",
    "an alarm": "import signal\nsignal.alarm(1)\nreturn 'ESCAPED'",
}
NATIVE = {
    "ctypes": "import ctypes\nreturn 'ESCAPED' if ctypes.CDLL(None).getppid() else None",
    "the C part of ctypes": "import _ctypes\nreturn 'ESCAPED' if _ctypes.dlopen('libc.so.6', 2) else None",
    "an extension file": r"""
        import _imp, importlib.machinery as m
        _imp.create_dynamic(m.ModuleSpec('x', None, origin=FILE))
        return 'ESCAPED'
    """,
    "machine code": r"""
        import mmap
        mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        return 'ESCAPED'
    """,
    "bytecode that is none": r"""
        f = lambda: None
        f.__code__ = f.__code__.replace(co_code=b'\xff' * 64)
        f()
        return None
    """,
    "code that ends the interpreter": "import sys\nsys.setrecursionlimit(10**9)\nf = lambda n: f(n + 1)\nf(0)",
    "a crash in C": "x = []\nfor _ in range(10**6): x = [x]\nrepr(x)",
}
DESCRIPTORS = {
    "write to descriptor 3 and on": """
        import os
        for descriptor in range(3, 256):
            try:
                os.write(descriptor, b'x')
            except OSError:
                continue
            return 'ESCAPED'
    """,
    "read from descriptor 3 and on": """
        import os
        for descriptor in range(3, 256):
            try:
                os.read(descriptor, 1)
            except OSError:
                continue
            return 'ESCAPED'
    """,
    "dup": "import os\nos.dup(1)\nreturn 'ESCAPED'",
    "pipe": "import os\nos.pipe()\nreturn 'ESCAPED'",
    "memfd": "import os\nos.memfd_create('x')\nreturn 'ESCAPED'",
    "eventfd": "import os\nos.eventfd(0)\nreturn 'ESCAPED'",
    "fcntl": "import os\nos.set_blocking(0, False)\nreturn 'ESCAPED'",
    "ioctl": "import os\nos.get_terminal_size(0)\nreturn 'ESCAPED'",
    "shared memory": r"""
        from multiprocessing import shared_memory
        shared_memory.SharedMemory(create=True, size=10)
        return 'ESCAPED'
    """,
    "its progress page made small": r"""
        import os
        for d in range(3, 64):
            try: os.ftruncate(d, 0)
            except OSError: continue
            return 'ESCAPED'
    """,
}
LIMITS = {
    "raise the memory limit": "import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))\nreturn 'ESCAPED'",
    "read a limit of the app": "import resource\nresource.prlimit(APP, resource.RLIMIT_AS)\nreturn 'ESCAPED'",
    "memory at once": "x = 'a' * (4 << 30)\nreturn 'ESCAPED'",
    "memory bit by bit": "x = []\nwhile True: x.append(bytearray(1 << 24))",
    "memory in one number": "return 'ESCAPED' if 9 ** 9 ** 9 else None",
    "memory of strings": "x = 'ab'\nwhile True: x += x",
    "deep recursion": "f = lambda: f()\nf()",
    "endless loop": "while True: pass",
    "endless loop that catches everything": r"""
        while True:
            try:
                while True: pass
            except BaseException: pass
    """,
    "endless loop in C": "import re\nre.match('(a+)+$', 'a' * 64 + 'b')",
    "endless sleep": "import time\ntime.sleep(10**6)",
    "endless rows": "import itertools\nreturn itertools.count()",
    "endless rows of a generator": "while True: yield 'x'",
    "rows too many": "return ['x'] * 10**6",
    "a row too long": "return 'x' * (1 << 28)",
    "a row too deep": "x = []\nfor _ in range(10**5): x = [x]\nreturn x",
    "a row that holds itself": "x = []\nx.append(x)\nreturn (x,)",
    "endless printing": "while True: print('x' * 10**6)",
    "a gigabyte of errors": "raise ValueError('x' * (1 << 28))",
    "exit": "import sys\nsys.exit()",
    "hard exit": "import os\nos._exit(0)",
    "abort": "import os\nos.abort()",
}
FORGERY = {  # the frames that the app reads are bytes on descriptor 1
    "a frame of its own": "import os, struct\nos.write(1, struct.pack('!I', 2) + b'[]')\nreturn 'x'",
    "a frame of more rows": r"""
        import os, struct, json
        d = json.dumps({'rows': [[['ESCAPED']]] * 9, 'stdout': ''}).encode()
        os.write(1, struct.pack('!I', len(d)) + d)
        return 'x'
    """,
    "a frame that never ends": r"""
        import os, struct, time
        os.write(1, struct.pack('!I', 1000) + b'{')
        time.sleep(10**6)
    """,
    "a frame too large": "import os, struct\nos.write(1, struct.pack('!I', 2**32 - 1))\nreturn 'x'",
    "a frame that is not JSON": r"""
        import os, struct
        os.write(1, struct.pack('!I', 4) + b'\xff\x00\xfe{')
        return 'x'
    """,
    "a frame of deep JSON": r"""
        import os, struct
        d = b'[' * 10**6
        os.write(1, struct.pack('!I', len(d)) + d)
        return 'x'
    """,
    "a frame of hard numbers": r"""
        import os, struct
        d = b'{"rows": [[' + b','.join([b'1e308'] * 10**6) + b']]}'
        os.write(1, struct.pack('!I', len(d)) + d)
        return 'x'
    """,
    "a frame of equal keys": r"""
        import os, struct
        d = b'{' + b','.join([b'"a": 1'] * 10**6) + b'}'
        os.write(1, struct.pack('!I', len(d)) + d)
        return 'x'
    """,
    "a pickle": r"""
        import os, struct
        d = b"cos\nsystem\n(S'touch FOLDER/new'\ntR."
        os.write(1, struct.pack('!I', len(d)) + d)
        return 'x'
    """,
    "rows of no list": r"""
        import os, struct, json
        d = json.dumps({'rows': {'a': 'ESCAPED'}, 'stdout': ''}).encode()
        os.write(1, struct.pack('!I', len(d)) + d)
        return 'x'
    """,
    "an error of odd types": r"""
        import os, struct, json
        d = json.dumps({'error': {'line': 'x', 'index': [1], 'type': {}, 'message': 7, 'kind': []}}).encode()
        os.write(1, struct.pack('!I', len(d)) + d)
        return 'x'
    """,
    "reads the app's frames": "import os\nos.read(0, 10**6)\nreturn 'x'",
    "progress that moves for ever": """
        import gc
        for found in gc.get_objects():
            if isinstance(found, memoryview) and found.format == 'Q':
                while True: found[0] += 1
        while True: pass
    """,
    "an exception that can't be shown": "class E(Exception):\n    def __str__(self): raise SystemExit\nraise E",
    "an exception with a hostile type": r"""
        E = type('<script>' * 100, (Exception,), {})
        raise E('<img src=x onerror=alert(1)>')
    """,
}
GROUPS = {
    **{"read": READ, "write": WRITE, "secrets": SECRETS, "network": NETWORK, "processes": PROCESSES},
    **{"native": NATIVE, "descriptors": DESCRIPTORS, "limits": LIMITS, "forgery": FORGERY},
}
ATTACKS = {f"{group}: {name}": body for group, bodies in GROUPS.items() for name, body in bodies.items()}


def cell(name: str, *, file: str, folder: str, port: int, app: int) -> str:
    """The attack as the source of a cell."""
    body = dedent(ATTACKS[name]).strip("\n")
    for word, value in (("/APP/", f"/{app}/"), ("touch FOLDER", f"touch {folder}"), (":PORT", f":{port}")):
        body = body.replace(word, value)
    for word, value in {"FILE": repr(file), "FOLDER": repr(folder), "PORT": str(port), "APP": str(app)}.items():
        body = re.sub(rf"\b{word}\b", lambda _, value=value: value, body)
    return "def formatting_func(sample):\n" + indent(body, "    ") + "\n"
