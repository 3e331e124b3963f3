//! Ports for the processes of a test, which nobody else takes.

use std::{
    env,
    fs::{self, File},
    io,
    net::TcpListener,
    path::Path,
    process,
};

/// Ports of one range.
const COUNT: u16 = 96;
/// How many of them belong to a founded federation (`tacit init --base-port`); the others are spare.
const FEDERATION: u16 = 60;
/// The ranges lie below the ports that the operating system gives to connections (from 32768 on Linux): a role that is
/// started again must find its port free, whoever has connected to whatever in the meantime.
const FIRST: u16 = 10_240;
const RANGES: u16 = 230;

/// A range of ports that are this test's alone until it is dropped: every process that claims one locks a file for it.
#[derive(Debug)]
pub struct PortRange {
    base: u16,
    _lock: File,
}

impl PortRange {
    /// Claims a range of which every port is free.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AddrInUse`] when there is none; what the folder of the locks says.
    pub fn claim() -> io::Result<Self> {
        let folder = env::temp_dir().join("tacit-test-ports");
        fs::create_dir_all(&folder)?;
        // Tests begin at different places, so that few meet.
        let start = u16::try_from(process::id() % u32::from(RANGES)).unwrap_or_default();
        (0..RANGES)
            .map(|place| FIRST + (start + place) % RANGES * COUNT)
            .find_map(|base| Self::at(&folder, base))
            .ok_or_else(|| io::ErrorKind::AddrInUse.into())
    }

    fn at(folder: &Path, base: u16) -> Option<Self> {
        let lock = open(&folder.join(base.to_string())).ok()?;
        lock.try_lock().ok()?;
        let free = (base..base + COUNT).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
        free.then_some(Self { base, _lock: lock })
    }

    /// What `tacit init --base-port` is given.
    #[must_use]
    pub fn base(&self) -> u16 {
        self.base
    }

    /// An address that the founded federation does not use, by its place from 0 to 35.
    ///
    /// # Panics
    ///
    /// Beyond that.
    #[must_use]
    pub fn spare(&self, place: u16) -> String {
        assert!(place < COUNT - FEDERATION, "there are {} spare ports", COUNT - FEDERATION);
        format!("127.0.0.1:{}", self.base + FEDERATION + place)
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::options().create(true).truncate(false).write(true).open(path)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::PortRange;

    #[test]
    fn no_two_tests_get_the_same_ports_and_no_connection_gets_one_of_them() {
        let ranges: Vec<PortRange> = (0..8).map(|_| PortRange::claim().unwrap()).collect();
        let mut bases: Vec<u16> = ranges.iter().map(PortRange::base).collect();
        bases.sort_unstable();
        assert!(bases.windows(2).all(|pair| pair[1] - pair[0] >= 96), "{bases:?}");

        let given = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        assert!(bases.iter().all(|base| !(*base..*base + 96).contains(&given)), "{given} in {bases:?}");
        assert!(TcpListener::bind(ranges[0].spare(35)).is_ok());
    }
}
