#!/usr/bin/env python3
"""Makes the Autobahn WebSocket conformance client run on Python 3.

PyPI's `autobahntestsuite` 25.10.1 installs on Python 3, but its sources are Python 2.7. This reads the copy that pip
installed and writes a converted one:
  fissix, which is lib2to3 for the Pythons that have none any more, does the syntax; then a latin-1 bridge keeps the
  suite's "byte strings" as str (one char = one byte) and turns them into bytes only where they meet autobahn 0.10.9,
  which is Python 3 code already.

usage: port.py OUTDIR     (then: PYTHONPATH=OUTDIR python -m wstest3 SPEC.json)
"""
import os, pathlib, re, shutil, subprocess, sys, sysconfig

out = pathlib.Path(sys.argv[1]); dst = out / "autobahntestsuite"
src = pathlib.Path(sysconfig.get_paths()["purelib"]) / "autobahntestsuite"
shutil.rmtree(dst, ignore_errors=True); out.mkdir(parents=True, exist_ok=True)
shutil.copytree(src, dst)
for junk in ("wampcase",): shutil.rmtree(dst / junk, ignore_errors=True)
subprocess.run([sys.executable, "-W", "ignore", "-m", "fissix", "-w", "-n", "-j1", str(dst)],
               check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

(dst / "_py3.py").write_text('''
import binascii as _ba
def b(x): return x.encode("latin-1") if isinstance(x, str) else x
def s(x): return x.decode("latin-1") if isinstance(x, (bytes, bytearray)) else x
class binascii:
    @staticmethod
    def b2a_hex(x): return s(_ba.b2a_hex(b(x)))
    hexlify = b2a_hex
''')

def edit(rel, *subs):
    p = dst / rel; t = p.read_text()
    for old, new in subs:
        n = t.replace(old, new)
        if n == t: raise SystemExit(f"{rel}: nothing to replace: {old!r}")
        t = n
    p.write_text(t)

for p in (dst / "case").glob("*.py"):          # all cases: class bases, hex helper
    t = p.read_text()
    t = re.sub("[^\\x00-\\x7f]", lambda m: "".join("\\\\x%02x" % c for c in m.group().encode()), t)  # literal UTF-8 -> its octets
    t = t.replace("(object, Case, )", "(Case, )").replace(".tostring()", '.tobytes().decode("latin-1")')
    t = re.sub(r"^import binascii$", "from .._py3 import binascii", t, flags=re.M)
    t = t.replace("import copy, os, pkg_resources, hashlib, binascii",
                  "import copy, os, hashlib\nfrom .._py3 import binascii, b, s\nfrom .. import _res as pkg_resources")
    p.write_text(t)
(dst / "_res.py").write_text('''
import os
def resource_filename(_pkg, rel): return os.path.join(os.path.dirname(__file__), rel)
''')
edit("case/case.py", ("pickle.dumps(obj1) == pickle.dumps(obj2)", "obj1 == obj2"))
edit("case/case10_1_1.py", ("len(self.payload) / self", "len(self.payload) // self"))
edit("case/case9_9_1.py", ("from zope.interface import implements", "implements = lambda *a: None"))
edit("case/case12_x_x.py", ("def onMessage(self, msg, binary):\n", "def onMessage(self, msg, binary):\n   msg = b(msg)\n"))
edit("__init__.py", ("from . import echo\n", ""), ("from . import broadcast\n", ""),
     ("from . import testee\n", ""), ("from . import massconnect\n", ""), ("from . import wstest\n", ""))
edit("fuzzing.py",
     ("import os, json, binascii, time, textwrap, pkg_resources",
      "import os, json, time, textwrap\nfrom ._py3 import binascii, b, s\nfrom . import _res as pkg_resources"),
     ("dd = data[:maxlen] + ellipses", "dd = b(data)[:maxlen] + b(ellipses)"),
     ("         dd = data\n      return dd.decode", "         dd = b(data)\n      return dd.decode"),
     ("p = ''.join(payload)", "p = b''.join(b(x) for x in payload)"),
     ("   MAX_WIRE_LOG_DATA = 256\n", '''   MAX_WIRE_LOG_DATA = 256

   def sendFrame(self, opcode, payload = b"", fin = True, rsv = 0, mask = None, payload_len = None, chopsize = None, sync = False):
      payload = b(payload)
      if payload_len is not None and payload:                    # autobahn 0.10.9 divides with "/" here
         payload = (payload * (payload_len // len(payload) + 1))[:payload_len]; payload_len = None
      return super().sendFrame(opcode, payload = payload, fin = fin, rsv = rsv, mask = b(mask), payload_len = payload_len, chopsize = chopsize, sync = sync)

   def sendMessage(self, payload, *a, **k):
      return super().sendMessage(b(payload), *a, **k)

   def sendMessageFrameData(self, payload, *a, **k):
      return super().sendMessageFrameData(b(payload), *a, **k)

   def sendCloseFrame(self, code = None, reasonUtf8 = None, isReply = False):
      return super().sendCloseFrame(code = code, reasonUtf8 = b(reasonUtf8), isReply = isReply)
'''),
     ("   def onMessage(self, msg, binary):\n", "   def onMessage(self, msg, binary):\n      msg = s(msg)\n"),
     ("self.runCase.onPong(payload)", "self.runCase.onPong(s(payload))"),
     ("def createReports(self, produceHtml = True,", "def createReports(self, produceHtml = False,"),
     ("json.dumps(case, ", "json.dumps(case, default = s, "))
edit("case/case6_x_x.py", ("v.validate(vss[:i])", "v.validate(vss[:i].encode(\"latin-1\"))"))
# both parents define connectionMade without super(); keep their explicit calls
(out / "wstest3.py").write_text('''
import json, sys, txaio
txaio.use_twisted()
from autobahntestsuite import fuzzing
from twisted.internet import reactor
spec = json.load(open(sys.argv[1]))
fuzzing.startClient(spec)
reactor.run()
''')
print("ready:", dst)
