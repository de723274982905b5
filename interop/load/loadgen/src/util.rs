//! small helpers: clock, SHA-1, /proc readers, JSON strings, percentiles
use std::fs;
pub fn now() -> u64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut t) };
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}
pub fn sha1_hex(data: &[u8]) -> String {
    let mut h: [u32; 5] = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0];
    let mut m = data.to_vec();
    let bl = (data.len() as u64) * 8;
    m.push(0x80);
    while m.len() % 64 != 56 {
        m.push(0);
    }
    m.extend_from_slice(&bl.to_be_bytes());
    for c in m.chunks(64) {
        let mut w = [0u32; 80];
        for i in 0..16 {
            w[i] = u32::from_be_bytes([c[4 * i], c[4 * i + 1], c[4 * i + 2], c[4 * i + 3]]);
        }
        for i in 16..80 {
            w[i] = (w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16]).rotate_left(1);
        }
        let (mut a, mut b, mut cc, mut d, mut e) = (h[0], h[1], h[2], h[3], h[4]);
        for (i, wi) in w.iter().enumerate() {
            let (f, k) = match i {
                0..=19 => ((b & cc) | (!b & d), 0x5A827999),
                20..=39 => (b ^ cc ^ d, 0x6ED9EBA1),
                40..=59 => ((b & cc) | (b & d) | (cc & d), 0x8F1BBCDC),
                _ => (b ^ cc ^ d, 0xCA62C1D6u32),
            };
            let t = a.rotate_left(5).wrapping_add(f).wrapping_add(e).wrapping_add(k).wrapping_add(*wi);
            e = d;
            d = cc;
            cc = b.rotate_left(30);
            b = a;
            a = t;
        }
        for (x, y) in h.iter_mut().zip([a, b, cc, d, e]) {
            *x = x.wrapping_add(y);
        }
    }
    h.iter().map(|x| format!("{:08x}", x)).collect()
}
pub fn jstr(s: &str) -> String {
    let mut o = String::from("\"");
    for c in s.chars() {
        match c {
            '"' => o.push_str("\\\""),
            '\\' => o.push_str("\\\\"),
            '\n' => o.push_str("\\n"),
            '\r' => o.push_str("\\r"),
            c if (c as u32) < 32 => o.push_str(&format!("\\u{:04x}", c as u32)),
            c => o.push(c),
        }
    }
    o.push('"');
    o
}
/// percentiles in microseconds of an unsorted ns vector
pub fn lat_json(v: &mut Vec<u64>) -> String {
    if v.is_empty() {
        return "null".into();
    }
    v.sort_unstable();
    let p = |q: f64| v[((v.len() as f64 - 1.0) * q).round() as usize] as f64 / 1000.0;
    let mean = v.iter().map(|x| *x as f64).sum::<f64>() / v.len() as f64 / 1000.0;
    format!("{{\"n\":{},\"min\":{:.0},\"p50\":{:.0},\"p90\":{:.0},\"p99\":{:.0},\"p999\":{:.0},\"max\":{:.0},\"mean\":{:.0}}}", v.len(), p(0.0), p(0.5), p(0.9), p(0.99), p(0.999), p(1.0), mean)
}
/// utime+stime in ms (10 ms ticks), and precise run time of all threads in ns from schedstat
pub fn cpu_of(pid: i32) -> Option<(u64, u64, u64)> {
    let s = fs::read_to_string(format!("/proc/{}/stat", pid)).ok()?;
    let r = &s[s.rfind(')')? + 2..];
    let f: Vec<&str> = r.split(' ').collect();
    let ut: u64 = f.get(11)?.parse().ok()?;
    let st: u64 = f.get(12)?.parse().ok()?;
    let mut ns = 0u64;
    if let Ok(d) = fs::read_dir(format!("/proc/{}/task", pid)) {
        for e in d.flatten() {
            if let Ok(x) = fs::read_to_string(e.path().join("schedstat")) {
                ns += x.split(' ').next().and_then(|v| v.trim().parse::<u64>().ok()).unwrap_or(0);
            }
        }
    }
    Some((ut * 10, st * 10, ns))
}
pub fn cpu_sum(pids: &[i32]) -> (u64, u64, u64, usize) {
    let mut r = (0, 0, 0, 0);
    for p in pids {
        if let Some(c) = cpu_of(*p) {
            r.0 += c.0;
            r.1 += c.1;
            r.2 += c.2;
            r.3 += 1;
        }
    }
    r
}
/// (PSS, RSS) KiB summed; PSS counts shared memory once across the set
pub fn mem_sum(pids: &[i32]) -> (u64, u64) {
    let (mut p, mut r) = (0, 0);
    for pid in pids {
        if let Ok(s) = fs::read_to_string(format!("/proc/{}/smaps_rollup", pid)) {
            for l in s.lines() {
                let g = || l.split_whitespace().nth(1).and_then(|x| x.parse::<u64>().ok()).unwrap_or(0);
                if l.starts_with("Pss:") {
                    p += g();
                } else if l.starts_with("Rss:") {
                    r += g();
                }
            }
        }
    }
    (p, r)
}
pub fn loadavg() -> String {
    fs::read_to_string("/proc/loadavg").map(|s| s.split(' ').take(3).collect::<Vec<_>>().join(" ")).unwrap_or_default()
}
/// (busy ms, steal ms) of the whole machine, all CPUs
pub fn sys_cpu() -> (u64, u64) {
    let s = fs::read_to_string("/proc/stat").unwrap_or_default();
    let f: Vec<u64> =
        s.lines().next().unwrap_or("").split_whitespace().skip(1).map(|x| x.parse().unwrap_or(0)).collect();
    if f.len() < 8 {
        return (0, 0);
    }
    ((f[0] + f[1] + f[2] + f[5] + f[6]) * 10, f[7] * 10)
}
/// kernel receive drops of the UDP socket bound to this local port
pub fn udp_drops(port: u16) -> u64 {
    let mut t = 0;
    if let Ok(s) = fs::read_to_string("/proc/net/udp") {
        let tag = format!(":{:04X}", port);
        for l in s.lines().skip(1) {
            let f: Vec<&str> = l.split_whitespace().collect();
            if f.len() > 12 && f[1].ends_with(&tag) {
                t += f[12].parse::<u64>().unwrap_or(0);
            }
        }
    }
    t
}
pub fn self_cpu_ns() -> u64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut t) };
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}
pub fn fnv(parts: &[&[u8]]) -> u64 {
    let mut h: u64 = 0xcbf29ce484222325;
    for p in parts {
        for c in p.chunks(8) {
            let mut b = [0u8; 8];
            b[..c.len()].copy_from_slice(c);
            h = (h ^ u64::from_le_bytes(b)).wrapping_mul(0x9E3779B97F4A7C15);
            h ^= h >> 29;
        }
        h = (h ^ 0xff).wrapping_mul(0x100000001b3);
    }
    h
}
#[derive(Default, Clone, Copy)]
pub struct IdH(u64);
impl std::hash::Hasher for IdH {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {}
    fn write_u64(&mut self, x: u64) {
        self.0 = x
    }
}
#[derive(Default, Clone)]
pub struct IdB;
impl std::hash::BuildHasher for IdB {
    type Hasher = IdH;
    fn build_hasher(&self) -> IdH {
        IdH(0)
    }
}
