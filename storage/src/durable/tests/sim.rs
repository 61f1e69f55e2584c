//! Files in memory that keep a journal of all that was done to them, so that a test can have the
//! process killed or the power cut at any moment of it, and that can be told to fail or to wait.

use std::{
    collections::BTreeMap,
    fmt, io,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use redb::StorageBackend;

use super::content::Content;
use crate::durable::medium::{Medium, MediumFile};

/// The unit in which a disk writes: all of it or nothing.
const SECTOR: usize = 512;

/// What was done, in order.
#[derive(Clone, Debug)]
pub enum Event {
    Create {
        name: String,
        file: usize,
    },
    Rename {
        from: String,
        to: String,
    },
    Remove {
        name: String,
    },
    /// The directory's sync.
    SyncNames,
    Write {
        file: usize,
        offset: u64,
        data: Bytes,
    },
    SetLen {
        file: usize,
        len: u64,
    },
    Sync {
        file: usize,
    },
    /// A sync that failed. The system takes what it could not write for written from then on:
    /// it is still what is read, but no later sync brings it to the disk.
    FailedSync {
        file: usize,
    },
}

/// The content of all files, and their names.
#[derive(Clone, Debug, Default)]
pub struct Image {
    pub names: BTreeMap<String, usize>,
    pub files: Vec<Content>,
}

/// Called before each event, which does not happen if this returns an error.
pub type Hook = Arc<dyn Fn(&Event) -> io::Result<()> + Send + Sync>;

/// The medium. Copies share their files.
#[derive(Clone, Default)]
pub struct Sim {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Clone, Default)]
struct Shared {
    /// What a power cut would leave.
    disk: Disk,
    image: Image,
    journal: Vec<Event>,
    hook: Option<Hook>,
    /// Whether the next sync fails, see [`Event::FailedSync`]; and a seed for what it does.
    lose_sync: Option<u64>,
}

impl Image {
    pub fn file(&self, name: &str) -> Vec<u8> {
        self.files[self.names[name]].to_vec()
    }

    pub fn file_mut(&mut self, name: &str) -> &mut Content {
        let file = self.names[name];
        &mut self.files[file]
    }

    /// Does what an event says.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Create { name, file } => {
                self.names.insert(name.clone(), *file);
                let slots = self.files.len().max(file + 1);
                self.files.resize(slots, Content::default());
            }
            Event::Rename { from, to } => {
                let file = self.names.remove(from).expect("a file to rename");
                self.names.insert(to.clone(), file);
            }
            Event::Remove { name } => {
                self.names.remove(name);
            }
            Event::Write { file, offset, data } => {
                self.files[*file].write(*offset as usize, data);
            }
            Event::SetLen { file, len } => self.files[*file].set_len(*len as usize),
            Event::SyncNames | Event::Sync { .. } | Event::FailedSync { .. } => {}
        }
    }

    /// What the disk has if the power goes after these events, the image being what it had
    /// before: all that was synced, and of the rest whatever `survives` says, sector by sector.
    pub fn power_cut(&self, events: &[Event], mut survives: impl FnMut() -> bool) -> Image {
        let mut disk = Disk::new(self.clone());
        for event in events {
            disk.on(event, &mut survives);
        }
        disk.power_cut(survives)
    }

    /// Does of an event what `survives` says: a write sector by sector, any other as a whole.
    fn apply_parts(&mut self, event: &Event, survives: &mut impl FnMut() -> bool) {
        let Event::Write { file, offset, data } = event else {
            // A name may have been lost before it was changed.
            let possible = match event {
                Event::Rename { from, .. } => self.names.contains_key(from),
                _ => true,
            };
            if survives() && possible {
                self.apply(event);
            }
            return;
        };
        let mut at = 0;
        while at < data.len() {
            let place = *offset as usize + at;
            let len = (SECTOR - place % SECTOR).min(data.len() - at);
            if survives() {
                self.apply(&Event::Write {
                    file: *file,
                    offset: place as u64,
                    data: data.slice(at..at + len),
                });
            }
            at += len;
        }
    }
}

/// What is on the disk, and what is still to get there.
#[derive(Clone, Debug, Default)]
struct Disk {
    image: Image,
    pending: Vec<Event>,
}

impl Disk {
    fn new(image: Image) -> Disk {
        let pending = Vec::new();
        Disk { image, pending }
    }

    /// What `survives` is asked for is what a failed sync has brought to the disk.
    fn on(&mut self, event: &Event, survives: &mut impl FnMut() -> bool) {
        let image = &mut self.image;
        match event {
            Event::SyncNames => self.pending.retain(|event| {
                let now = event.changes_names();
                if now {
                    image.apply(event);
                }
                !now
            }),
            Event::Sync { file } => self.pending.retain(|event| {
                let now = event.changes_file(*file);
                if now {
                    image.apply(event);
                }
                !now
            }),
            Event::FailedSync { file } => self.pending.retain(|event| {
                let now = event.changes_file(*file);
                if now {
                    image.apply_parts(event, survives);
                }
                !now
            }),
            event => {
                // A file must be known before it can be written, so its slot is made at once.
                if let Event::Create { file, .. } = event {
                    let slots = image.files.len().max(file + 1);
                    image.files.resize(slots, Content::default());
                }
                self.pending.push(event.clone());
            }
        }
    }

    fn power_cut(mut self, mut survives: impl FnMut() -> bool) -> Image {
        for event in &self.pending {
            self.image.apply_parts(event, &mut survives);
        }
        self.image
    }
}

impl Event {
    fn changes_file(&self, number: usize) -> bool {
        match self {
            Event::Write { file, .. } | Event::SetLen { file, .. } => *file == number,
            _ => false,
        }
    }

    fn changes_names(&self) -> bool {
        matches!(
            self,
            Event::Create { .. } | Event::Rename { .. } | Event::Remove { .. }
        )
    }
}

impl Sim {
    pub fn new(image: Image) -> Sim {
        let sim = Sim::default();
        let mut shared = sim.shared.lock().unwrap();
        shared.disk = Disk::new(image.clone());
        shared.image = image;
        drop(shared);
        sim
    }

    /// The same files and the same disk, from here on apart from these.
    pub fn fork(&self) -> Sim {
        let shared = self.shared.lock().unwrap().clone();
        Sim {
            shared: Arc::new(Mutex::new(shared)),
        }
    }

    /// What a process that starts now would find.
    pub fn image(&self) -> Image {
        self.shared.lock().unwrap().image.clone()
    }

    /// What was done since the last call.
    pub fn take_journal(&self) -> Vec<Event> {
        std::mem::take(&mut self.shared.lock().unwrap().journal)
    }

    /// What the disk has if the power goes now. See [`Image::power_cut`].
    pub fn after_power_cut(&self, survives: impl FnMut() -> bool) -> Image {
        let disk = self.shared.lock().unwrap().disk.clone();
        disk.power_cut(survives)
    }

    /// The number of events until now.
    pub fn events(&self) -> usize {
        self.shared.lock().unwrap().journal.len()
    }

    /// Lets the next sync fail and lose what it should have written: all of it if the seed is
    /// even, else some.
    pub fn lose_sync(&self, seed: u64) {
        self.shared.lock().unwrap().lose_sync = Some(seed);
    }

    pub fn set_hook(&self, hook: Option<Hook>) {
        self.shared.lock().unwrap().hook = hook;
    }

    fn happen(&self, event: Event) -> io::Result<()> {
        self.happen_so(event, || false)
    }

    fn happen_so(&self, event: Event, mut survives: impl FnMut() -> bool) -> io::Result<()> {
        let hook = self.shared.lock().unwrap().hook.clone();
        if let Some(hook) = hook {
            hook(&event)?;
        }
        let mut shared = self.shared.lock().unwrap();
        shared.image.apply(&event);
        shared.disk.on(&event, &mut survives);
        shared.journal.push(event);
        Ok(())
    }

    fn file(&self, file: usize) -> MediumFile {
        MediumFile(Arc::new(SimFile {
            sim: self.clone(),
            file,
        }))
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sim")
    }
}

impl Medium for Sim {
    fn open(&self, name: &str) -> io::Result<Option<MediumFile>> {
        let file = self.shared.lock().unwrap().image.names.get(name).copied();
        Ok(file.map(|file| self.file(file)))
    }

    fn create(&self, name: &str) -> io::Result<MediumFile> {
        let file = self.shared.lock().unwrap().image.files.len();
        let name = name.to_owned();
        self.happen(Event::Create { name, file })?;
        Ok(self.file(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.happen(Event::Rename { from, to })
    }

    fn sync_names(&self) -> io::Result<()> {
        self.happen(Event::SyncNames)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        if self.shared.lock().unwrap().image.names.contains_key(name) {
            let name = name.to_owned();
            self.happen(Event::Remove { name })?;
        }
        Ok(())
    }
}

#[derive(Debug)]
struct SimFile {
    sim: Sim,
    file: usize,
}

impl StorageBackend for SimFile {
    fn len(&self) -> io::Result<u64> {
        let shared = self.sim.shared.lock().unwrap();
        Ok(shared.image.files[self.file].len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let shared = self.sim.shared.lock().unwrap();
        match shared.image.files[self.file].read(offset as usize, out) {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.sim.happen(Event::SetLen {
            file: self.file,
            len,
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        let file = self.file;
        let lost = self.sim.shared.lock().unwrap().lose_sync.take();
        if let Some(seed) = lost {
            let mut rng = fastrand::Rng::with_seed(seed);
            let survives = || seed % 2 == 1 && rng.bool();
            self.sim.happen_so(Event::FailedSync { file }, survives)?;
            return Err(io::Error::other("what was to be synced is lost"));
        }
        self.sim.happen(Event::Sync { file })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.sim.happen(Event::Write {
            file: self.file,
            offset,
            data: Bytes::copy_from_slice(data),
        })
    }
}
