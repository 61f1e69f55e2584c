// What a node keeps on disk: a write-ahead log of records, each with its length and checksum, and
// the newest snapshot in a file of its own. A snapshot begins the log anew.

package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// Kinds of records.
const (
	recordState byte = iota + 1
	recordEntry
)

// Files is the directory of a node.
type Files struct {
	dir string
	log *os.File
}

// Saved is what a directory had.
type Saved struct {
	State    *pb.HardState
	Entries  []*pb.Entry
	Snapshot *pb.Snapshot
}

// OpenFiles opens a directory, new or old. A record that was cut off is dropped; anything else that
// is wrong is an error.
func OpenFiles(dir string) (*Files, *Saved, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, nil, err
	}
	f, saved := &Files{dir: dir}, &Saved{}
	data, err := os.ReadFile(f.path("snapshot"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, nil, err
	default:
		saved.Snapshot = &pb.Snapshot{}
		if err := proto.Unmarshal(data, saved.Snapshot); err != nil {
			return nil, nil, err
		}
	}
	if f.log, err = os.OpenFile(f.path("log"), os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		return nil, nil, err
	}
	if err := f.replay(saved); err != nil {
		f.log.Close()
		return nil, nil, err
	}
	return f, saved, nil
}

func (f *Files) path(name string) string { return filepath.Join(f.dir, name) }

// replay reads the log to its end, from where it will go on.
func (f *Files) replay(saved *Saved) error {
	reader := bufio.NewReader(f.log)
	end := int64(0)
	for {
		kind, data, err := readRecord(reader)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("%s: at %d: %w", f.log.Name(), end, err)
		}
		end += int64(9 + len(data))
		switch kind {
		case recordState:
			saved.State = &pb.HardState{}
			err = proto.Unmarshal(data, saved.State)
		case recordEntry:
			entry := &pb.Entry{}
			err = proto.Unmarshal(data, entry)
			// It takes the place of all that follow.
			for n := len(saved.Entries); n > 0 && saved.Entries[n-1].GetIndex() >= entry.GetIndex(); n-- {
				saved.Entries = saved.Entries[:n-1]
			}
			if entry.GetIndex() > saved.Snapshot.GetMetadata().GetIndex() {
				saved.Entries = append(saved.Entries, entry)
			}
		default:
			err = fmt.Errorf("a record of kind %d", kind)
		}
		if err != nil {
			return err
		}
	}
	if err := f.log.Truncate(end); err != nil {
		return err
	}
	_, err := f.log.Seek(end, io.SeekStart)
	return err
}

func readRecord(reader io.Reader) (kind byte, data []byte, err error) {
	var head [9]byte
	if _, err := io.ReadFull(reader, head[:]); err != nil {
		return 0, nil, err
	}
	length := binary.LittleEndian.Uint32(head[1:])
	if length > 1<<30 {
		return 0, nil, fmt.Errorf("a record of %d bytes", length)
	}
	data = make([]byte, length)
	if _, err := io.ReadFull(reader, data); err != nil {
		return 0, nil, err
	}
	if crc32.ChecksumIEEE(data) != binary.LittleEndian.Uint32(head[5:]) {
		return 0, nil, errors.New("a damaged record")
	}
	return head[0], data, nil
}

func appendRecord(buffer []byte, kind byte, m proto.Message) ([]byte, error) {
	data, err := proto.Marshal(m)
	if err != nil {
		return nil, err
	}
	buffer = append(buffer, kind)
	buffer = binary.LittleEndian.AppendUint32(buffer, uint32(len(data)))
	buffer = binary.LittleEndian.AppendUint32(buffer, crc32.ChecksumIEEE(data))
	return append(buffer, data...), nil
}

// Save adds to the log, and waits for the disk if that is needed.
func (f *Files) Save(state *pb.HardState, entries []*pb.Entry, sync bool) (err error) {
	var buffer []byte
	for _, entry := range entries {
		if buffer, err = appendRecord(buffer, recordEntry, entry); err != nil {
			return err
		}
	}
	if state != nil {
		if buffer, err = appendRecord(buffer, recordState, state); err != nil {
			return err
		}
	}
	if _, err := f.log.Write(buffer); err != nil {
		return err
	}
	if !sync {
		return nil
	}
	return f.log.Sync()
}

// SaveSnapshot puts a snapshot in the place of the last one, and begins the log anew with what is
// still needed.
func (f *Files) SaveSnapshot(snapshot *pb.Snapshot, state *pb.HardState, entries []*pb.Entry) error {
	data, err := proto.Marshal(snapshot)
	if err != nil {
		return err
	}
	if err := replace(f.path("snapshot"), data); err != nil {
		return err
	}
	var records []byte
	for _, entry := range entries {
		if records, err = appendRecord(records, recordEntry, entry); err != nil {
			return err
		}
	}
	if state != nil {
		if records, err = appendRecord(records, recordState, state); err != nil {
			return err
		}
	}
	if err := replace(f.path("log"), records); err != nil {
		return err
	}
	f.log.Close()
	f.log, err = os.OpenFile(f.path("log"), os.O_RDWR|os.O_APPEND, 0o644)
	return err
}

// replace puts a file in place of another one, whole.
func replace(path string, data []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), "new-")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if _, err := file.Write(data); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

func (f *Files) Close() error { return f.log.Close() }
