/*
 * The seccomp filter of a sandbox: a classic BPF program, assembled here and given to bubblewrap as bytes.
 *
 * It refuses what a build or an agent does not need and what has a history of kernel holes, or reaches past the
 * network namespace: sockets other than Unix, IP and netlink (AF_VSOCK would talk to the hypervisor's host),
 * io_uring (whose own socket operation would go round that), namespaces, mounts, modules, bpf, perf, keyrings,
 * userfaultfd, clocks, and pushing characters into a terminal. All else is allowed; namespaces, the dropped
 * capabilities and the uid are the walls, this makes the ground before them smaller. ptrace is allowed: it reaches
 * only the sandbox's own processes, and debuggers need it.
 *
 * A list of what is allowed was rejected: the tools are whatever a repository brings, and an unforeseen ENOSYS in the
 * middle of a build helps nobody.
 */

type Architecture = { audit: number; hasX32: boolean; calls: { [name: string]: number } };

/** The numbers from 424 on are the same everywhere. */
const COMMON = {
  io_uring_setup: 425,
  io_uring_enter: 426,
  io_uring_register: 427,
  open_tree: 428,
  move_mount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  fspick: 433,
  clone3: 435,
  mount_setattr: 442,
  quotactl_fd: 443,
};

const ARCHITECTURES: { [arch: string]: Architecture } = {
  x64: {
    audit: 0xc000003e,
    hasX32: true,
    calls: {
      ...COMMON,
      socket: 41,
      socketpair: 53,
      clone: 56,
      ioctl: 16,
      unshare: 272,
      setns: 308,
      mount: 165,
      umount2: 166,
      pivot_root: 155,
      bpf: 321,
      perf_event_open: 298,
      userfaultfd: 323,
      keyctl: 250,
      add_key: 248,
      request_key: 249,
      kexec_load: 246,
      kexec_file_load: 320,
      init_module: 175,
      finit_module: 313,
      delete_module: 176,
      acct: 163,
      swapon: 167,
      swapoff: 168,
      reboot: 169,
      syslog: 103,
      quotactl: 179,
      open_by_handle_at: 304,
      ioperm: 173,
      iopl: 172,
      lookup_dcookie: 212,
      vhangup: 153,
      settimeofday: 164,
      clock_settime: 227,
      clock_adjtime: 305,
      adjtimex: 159,
    },
  },
  arm64: {
    audit: 0xc00000b7,
    hasX32: false,
    calls: {
      ...COMMON,
      socket: 198,
      socketpair: 199,
      clone: 220,
      ioctl: 29,
      unshare: 97,
      setns: 268,
      mount: 40,
      umount2: 39,
      pivot_root: 41,
      bpf: 280,
      perf_event_open: 241,
      userfaultfd: 282,
      keyctl: 219,
      add_key: 217,
      request_key: 218,
      kexec_load: 104,
      kexec_file_load: 294,
      init_module: 105,
      finit_module: 273,
      delete_module: 106,
      acct: 89,
      swapon: 224,
      swapoff: 225,
      reboot: 142,
      syslog: 116,
      quotactl: 60,
      open_by_handle_at: 265,
      lookup_dcookie: 18,
      vhangup: 58,
      settimeofday: 170,
      clock_settime: 112,
      clock_adjtime: 266,
      adjtimex: 171,
    },
  },
};

const EPERM = 1;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;
const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
/** CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}; CLONE_NEWTIME shares its bit with the exit signal and works only with clone3 and unshare. */
const CLONE_NEW_ANY = 0x7e020000;
const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;

/** With these the C library falls back to an older call; with EPERM it would give up. */
const AS_IF_MISSING = new Set(["clone3", "io_uring_setup", "io_uring_enter", "io_uring_register"]);
const WITH_ARGUMENTS = new Set(["socket", "socketpair", "clone", "ioctl"]);

type Instruction = { code: number; jt: number; jf: number; k: number };

const LOAD = 0x20;
const JUMP_EQUAL = 0x15;
const JUMP_AT_LEAST = 0x35;
const JUMP_ANY_BIT = 0x45;
const RETURN = 0x06;
const ALLOW = 0x7fff0000;
const ERRNO = 0x00050000;

const load = (offset: number): Instruction => ({ code: LOAD, jt: 0, jf: 0, k: offset });
const give = (k: number): Instruction => ({ code: RETURN, jt: 0, jf: 0, k });
const errno = (code: number): Instruction => give(ERRNO | code);
const NUMBER = 0;
const ARCH = 4;
/** The low half of an argument; both architectures are little-endian. */
const argument = (index: number): number => 16 + 8 * index;

/** Runs `block` when the call is `number`, then goes on with the number loaded again. */
function when(number: number, block: Instruction[]): Instruction[] {
  const body = [...block, load(NUMBER)];
  return [{ code: JUMP_EQUAL, jt: 0, jf: body.length, k: number }, ...body];
}

/** Refuses unless the loaded value is one of `values`. */
function oneOf(values: number[], otherwise: Instruction): Instruction[] {
  return [...values.map((k, i): Instruction => ({ code: JUMP_EQUAL, jt: values.length - i, jf: 0, k })), otherwise];
}

/** The program for an architecture of `process.arch`, or null where we have no numbers for it. */
export function seccompFilter(arch: string): Buffer | null {
  const architecture = ARCHITECTURES[arch];
  if (!architecture) return null;
  const { calls } = architecture;
  const program: Instruction[] = [
    load(ARCH),
    { code: JUMP_EQUAL, jt: 1, jf: 0, k: architecture.audit },
    // Another instruction set numbers its calls otherwise and would slip through below.
    errno(ENOSYS),
    load(NUMBER),
  ];
  if (architecture.hasX32) program.push({ code: JUMP_AT_LEAST, jt: 0, jf: 1, k: 0x40000000 }, errno(ENOSYS));
  program.push(
    ...when(calls["socket"]!, [load(argument(0)), ...oneOf([AF_UNIX, AF_INET, AF_INET6, AF_NETLINK], errno(EAFNOSUPPORT))]),
    ...when(calls["socketpair"]!, [load(argument(0)), ...oneOf([AF_UNIX], errno(EAFNOSUPPORT))]),
    ...when(calls["clone"]!, [load(argument(0)), { code: JUMP_ANY_BIT, jt: 0, jf: 1, k: CLONE_NEW_ANY }, errno(EPERM)]),
    ...when(calls["ioctl"]!, [
      load(argument(1)),
      { code: JUMP_EQUAL, jt: 1, jf: 0, k: TIOCSTI },
      { code: JUMP_EQUAL, jt: 0, jf: 1, k: TIOCLINUX },
      errno(EPERM),
    ]),
  );
  for (const [name, number] of Object.entries(calls)) {
    if (WITH_ARGUMENTS.has(name)) continue;
    program.push({ code: JUMP_EQUAL, jt: 0, jf: 1, k: number }, errno(AS_IF_MISSING.has(name) ? ENOSYS : EPERM));
  }
  program.push(give(ALLOW));
  return assemble(program);
}

function assemble(program: Instruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8);
  program.forEach(({ code, jt, jf, k }, i) => {
    bytes.writeUInt16LE(code, i * 8);
    bytes.writeUInt8(jt, i * 8 + 2);
    bytes.writeUInt8(jf, i * 8 + 3);
    bytes.writeUInt32LE(k >>> 0, i * 8 + 4);
  });
  return bytes;
}
