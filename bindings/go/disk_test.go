// What a failing disk comes to in Go. The limits are those of a process, so that a test that needs one
// makes itself anew as another.

package raft

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"
)

const limitedDir = "LIBRAFT_LIMITED_DIR"

func TestADiskWithoutRoomIsAnErrorAndLosesNothing(t *testing.T) {
	if dir := os.Getenv(limitedDir); dir != "" {
		fillDisk(t, dir)
		return
	}
	dir := filepath.Join(t.TempDir(), "log")
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	child.Env = append(os.Environ(), limitedDir+"="+dir)
	output, err := child.CombinedOutput()
	if err != nil || !strings.Contains(string(output), "--- PASS: "+t.Name()) {
		t.Fatalf("%v: %s", err, output)
	}
	s := openDurable(t, dir)
	last, err := s.LastIndex()
	must(t, err)
	must(t, s.Save(Ready{Entries: largeEntry(last + 1), MustSync: true}))
	entries, err := s.Entries(1, last+2, 1<<40)
	must(t, err)
	if last < 10 || uint64(len(entries)) != last+1 {
		t.Fatal(last, len(entries))
	}
	for _, entry := range entries {
		if !bytes.Equal(entry.GetData(), largeEntry(entry.GetIndex())[0].GetData()) {
			t.Fatal(entry.GetIndex())
		}
	}
}

func largeEntry(index uint64) []*pb.Entry {
	return []*pb.Entry{{Term: new(uint64(1)), Index: &index, Data: bytes.Repeat([]byte{byte(index)}, 20_000)}}
}

// fillDisk writes until there is no room, in a process that can't write larger files.
func fillDisk(t *testing.T, dir string) {
	signal.Ignore(syscall.SIGXFSZ)
	must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 2_000_000, Max: 2_000_000}))
	s := openDurable(t, dir)
	last := uint64(0)
	var err error
	for err == nil && last < 1000 {
		last++
		err = s.Save(Ready{Entries: largeEntry(last), MustSync: true})
	}
	if !errors.Is(err, &Error{Code: CodeIO}) || !strings.Contains(err.Error(), "file too large") &&
		!strings.Contains(err.Error(), "File too large") {
		t.Fatal(err)
	}
	for _, err := range []error{
		s.Save(Ready{Entries: largeEntry(last), MustSync: true}), s.Sync(), s.Compact(1), s.Close(),
	} {
		if !errors.Is(err, &Error{Code: CodePoisoned}) {
			t.Fatal(err)
		}
	}
	// It is closed in spite of that, and may be opened again.
	s = openDurable(t, dir)
	found, err := s.LastIndex()
	must(t, err)
	if found != last && found != last-1 {
		t.Fatal(found, last)
	}
}

func TestAPathThatIsNoDirectoryIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, []byte("somebody else's"), 0o600))
	for _, path := range []string{file, filepath.Join(file, "log")} {
		if _, err := OpenDurableStorage(path); !errors.Is(err, &Error{Code: CodeIO}) {
			t.Fatal(err)
		}
	}
}

func TestASecondOpenerIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	s := openDurable(t, dir)
	if _, err := OpenDurableStorage(dir); !errors.Is(err, &Error{Code: CodeLocked}) {
		t.Fatal(err)
	}
	must(t, s.Save(Ready{Entries: largeEntry(1), MustSync: true}))
	must(t, s.Close())
	openDurable(t, dir)
}
