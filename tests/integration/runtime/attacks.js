// Run by Deno with every permission (see test_confinement.py). Each is tried by itself; told is only whether it went.
const at = JSON.parse(Deno.args[0]);
const libc = (name, ...types) =>
  Deno.dlopen("libc.so.6", { [name]: { parameters: types, result: "i32" } }).symbols[name];
const call = (name, ...values) => {
  if (libc(name, ...values.map(() => "i64"))(...values.map(BigInt)) === -1) throw new Error("-1");
};
const attacks = {
  "read /etc/passwd": () => Deno.readTextFile("/etc/passwd"),
  "read the data dir": () => Deno.readTextFile(at.secret),
  "list /": () => Array.fromAsync(Deno.readDir("/")),
  "list the data dir": () => Array.fromAsync(Deno.readDir(at.data)),
  "write a new file": () => Deno.writeTextFile(at.data + "/new", "x"),
  "write an old file": () => Deno.writeTextFile(at.secret, "x"),
  "write into Deno's cache": () => Deno.writeTextFile(at.cache + "/new", "x"),
  "write to /tmp": async () => Deno.remove(await Deno.makeTempFile()),
  "make a folder": () => Deno.mkdir(at.data + "/folder"),
  "make a link": () => Deno.symlink("/etc", at.data + "/link"),
  "rename": () => Deno.rename(at.data + "/old", at.data + "/older"),
  "delete": () => Deno.remove(at.data + "/gone"),
  "change a mode": () => Deno.chmod(at.secret, 0o600),
  "change a time": () => Deno.utime(at.secret, 1, 1),
  "watch files": () => Deno.watchFs(at.data).close(),
  "read the parent's environment": () => Deno.readFile(`/proc/${at.parent}/environ`),
  "open the parent's memory": async () => (await Deno.open(`/proc/${at.parent}/mem`)).close(),
  "read the parent's maps": () => Deno.readTextFile(`/proc/${at.parent}/maps`),
  "read its own memory": async () => (await Deno.open("/proc/self/mem")).close(),
  "read its own environment": () => Deno.readTextFile("/proc/self/environ"),
  "start a program": () => new Deno.Command("/bin/true").output(),
  "start Deno again": () => new Deno.Command(Deno.execPath(), { args: ["--version"] }).output(),
  "connect by TCP": async () => (await Deno.connect({ port: at.tcp })).close(),
  "listen on TCP": () => Deno.listen({ port: 0 }).close(),
  "send by UDP": async () => {
    const socket = Deno.listenDatagram({ port: 0, transport: "udp" });
    await socket.send(new Uint8Array(1), { transport: "udp", hostname: "127.0.0.1", port: at.tcp });
    socket.close();
  },
  "connect by a unix socket": async () => (await Deno.connect({ transport: "unix", path: at.unix })).close(),
  "listen on a unix socket": () => Deno.listen({ transport: "unix", path: at.data + "/mine" }).close(),
  "signal the parent": () => Deno.kill(at.parent, "SIGCONT"),
  "signal a sibling": () => Deno.kill(at.sibling, "SIGCONT"),
  "signal a sibling's thread": () => call("tgkill", at.sibling, at.sibling, 18),
  "trace a sibling": () => call("ptrace", 0x4206, at.sibling, 0, 0),
  "limit the parent": () => call("prlimit", at.parent, 7, 0, 0),
  "make a namespace": () => call("unshare", 0x04000000),
  "make a file in memory": () => {
    if (libc("memfd_create", "buffer", "u32")(new Uint8Array(1), 0) === -1) throw new Error("-1");
  },
  "make a netlink socket": () => call("socket", 16, 3, 0),
  "split in two": () => call("fork"),
  "become another program": () => {
    const path = new TextEncoder().encode("/bin/true\0");
    const words = new BigUint64Array([BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(path))), 0n]);
    if (libc("execv", "buffer", "buffer")(path, words) === -1) throw new Error("-1");
  },
};
const went = {};
for (const [name, attack] of Object.entries(attacks)) {
  if (!at.spare.includes(name)) {
    try {
      await attack();
      went[name] = true;
    } catch (error) {
      went[name] = false;
      console.error(name, String(error));
    }
  }
}
console.log(JSON.stringify(went));
Deno.exit(0);
