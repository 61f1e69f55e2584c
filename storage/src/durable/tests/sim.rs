//! Files in memory that keep a journal of all that was done to them, so that a test can have the
//! process killed or the power cut at any moment of it, and that can be told to fail or to wait.

use std::{
    collections::BTreeMap,
    fmt, io,
    sync::{Arc, Mutex},
};

use redb::StorageBackend;

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
    Write {
        file: usize,
        offset: u64,
        data: Vec<u8>,
    },
    SetLen {
        file: usize,
        len: u64,
    },
    Sync {
        file: usize,
    },
}

/// The content of all files, and their names.
#[derive(Clone, Debug, Default)]
pub struct Image {
    pub names: BTreeMap<String, usize>,
    pub files: Vec<Vec<u8>>,
}

/// Called before each event, which does not happen if this returns an error.
pub type Hook = Arc<dyn Fn(&Event) -> io::Result<()> + Send + Sync>;

/// The medium. Copies share their files.
#[derive(Clone, Default)]
pub struct Sim {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    image: Image,
    journal: Vec<Event>,
    hook: Option<Hook>,
}

impl Image {
    pub fn file(&self, name: &str) -> &Vec<u8> {
        &self.files[self.names[name]]
    }

    pub fn file_mut(&mut self, name: &str) -> &mut Vec<u8> {
        let file = self.names[name];
        &mut self.files[file]
    }

    /// Does what an event says.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Create { name, file } => {
                self.names.insert(name.clone(), *file);
                self.files
                    .resize(self.files.len().max(file + 1), Vec::new());
            }
            Event::Rename { from, to } => {
                let file = self.names.remove(from).expect("a file to rename");
                self.names.insert(to.clone(), file);
            }
            Event::Remove { name } => {
                self.names.remove(name);
            }
            Event::Write { file, offset, data } => {
                let (from, to) = (*offset as usize, *offset as usize + data.len());
                let bytes = &mut self.files[*file];
                bytes.resize(bytes.len().max(to), 0);
                bytes[from..to].copy_from_slice(data);
            }
            Event::SetLen { file, len } => self.files[*file].resize(*len as usize, 0),
            Event::Sync { .. } => {}
        }
    }

    /// What the disk has if the power goes after these events, the image being what it had
    /// before: all that was synced, and of the rest whatever `survives` says, sector by sector.
    pub fn power_cut(&self, events: &[Event], mut survives: impl FnMut() -> bool) -> Image {
        let mut disk = self.clone();
        let mut pending: Vec<&Event> = Vec::new();
        let flush =
            |disk: &mut Image, pending: &mut Vec<&Event>, names: bool, of: Option<usize>| {
                pending.retain(|event| {
                    let synced = match event {
                        Event::Write { file, .. } | Event::SetLen { file, .. } => of == Some(*file),
                        _ => names,
                    };
                    if synced {
                        disk.apply(event);
                    }
                    !synced
                });
            };
        for event in events {
            match event {
                Event::Sync { file } => flush(&mut disk, &mut pending, false, Some(*file)),
                // Renaming syncs the directory.
                Event::Rename { .. } => {
                    pending.push(event);
                    flush(&mut disk, &mut pending, true, None);
                }
                // A file must be known before it can be written, so its slot is made at once.
                Event::Create { file, .. } => {
                    disk.files
                        .resize(disk.files.len().max(file + 1), Vec::new());
                    pending.push(event);
                }
                _ => pending.push(event),
            }
        }
        for event in pending {
            let Event::Write { file, offset, data } = event else {
                if survives() {
                    disk.apply(event);
                }
                continue;
            };
            let mut at = 0;
            while at < data.len() {
                let place = *offset as usize + at;
                let len = (SECTOR - place % SECTOR).min(data.len() - at);
                if survives() {
                    disk.apply(&Event::Write {
                        file: *file,
                        offset: place as u64,
                        data: data[at..at + len].to_vec(),
                    });
                }
                at += len;
            }
        }
        disk
    }
}

impl Sim {
    pub fn new(image: Image) -> Sim {
        let sim = Sim::default();
        sim.shared.lock().unwrap().image = image;
        sim
    }

    /// What a process that starts now would find.
    pub fn image(&self) -> Image {
        self.shared.lock().unwrap().image.clone()
    }

    /// What was done since the last call.
    pub fn take_journal(&self) -> Vec<Event> {
        std::mem::take(&mut self.shared.lock().unwrap().journal)
    }

    pub fn set_hook(&self, hook: Option<Hook>) {
        self.shared.lock().unwrap().hook = hook;
    }

    fn happen(&self, event: Event) -> io::Result<()> {
        let hook = self.shared.lock().unwrap().hook.clone();
        if let Some(hook) = hook {
            hook(&event)?;
        }
        let mut shared = self.shared.lock().unwrap();
        shared.image.apply(&event);
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
        let bytes = &shared.image.files[self.file];
        let range = offset as usize..offset as usize + out.len();
        out.copy_from_slice(bytes.get(range).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.sim.happen(Event::SetLen {
            file: self.file,
            len,
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sim.happen(Event::Sync { file: self.file })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.sim.happen(Event::Write {
            file: self.file,
            offset,
            data: data.to_vec(),
        })
    }
}
