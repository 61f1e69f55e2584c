// Command standin assembles a directory that can take the place of the module go.etcd.io/raft/v3 by
// a replace directive: the subpackages of that module as the go command fetched them, and in place
// of its root package the one of libraft.
//
//	go run libraft.dev/go/raft/standin -o DIR
//	go mod edit -replace go.etcd.io/raft/v3=DIR
//
// The directory has all that it needs, the library and its header included, and may be moved. It
// does not follow later changes of the library: run the command again, and what it made before is
// replaced. It writes nowhere else.
//
// Its nodes make one append for each proposal, as those of go.etcd.io/raft do; with -coalesce, one
// for each follower and batch of proposals, which is faster (see Config.EagerAppends).
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

const (
	ours   = "libraft.dev/go/raft"
	theirs = "go.etcd.io/raft/v3"
	// By this file a directory is known as one that may be replaced.
	marker = "LIBRAFT-STANDIN"
)

const linkFile = `// How the library gets into the program, and how nodes append. Made by
// libraft.dev/go/raft/standin.

package raft

// #cgo CFLAGS: -I${SRCDIR} -DLIBRAFT_STANDIN=0x%s
// #cgo LDFLAGS: ${SRCDIR}/libraft.a -lpthread -ldl -lm
import "C"

func init() { eagerByDefault = %t }
`

const markerText = `This directory stands in for the module go.etcd.io/raft/v3. It was made by the command
libraft.dev/go/raft/standin: the root package is the one of libraft, all else is from
%s %s.
`

func main() {
	output := flag.String("o", "", "the directory to make; one that this command made before is replaced")
	library := flag.String("lib", "", "libraft.a; by default the one that make go-lib puts into the module")
	header := flag.String("header", "", "libraft.h; by default the one beside that")
	coalesce := flag.Bool("coalesce", false, "make one append for a batch of proposals")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(),
			"usage: standin -o DIR [-coalesce] [-lib libraft.a] [-header libraft.h]")
		flag.PrintDefaults()
	}
	flag.Parse()
	if *output == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := assemble(*output, *library, *header, *coalesce); err != nil {
		fmt.Fprintf(os.Stderr, "standin: %v\n", err)
		os.Exit(1)
	}
}

func assemble(output, library, header string, coalesce bool) error {
	binding, err := module(ours)
	if err != nil {
		return err
	}
	upstream, err := module(theirs)
	if err != nil {
		return err
	}
	if library == "" {
		name := fmt.Sprintf("libraft_%s_%s.a", runtime.GOOS, runtime.GOARCH)
		library = filepath.Join(binding.Dir, "internal/lib", name)
	}
	if header == "" {
		header = filepath.Join(binding.Dir, "internal/lib/libraft.h")
	}
	archive, err := os.ReadFile(library)
	if err != nil {
		return fmt.Errorf("the library is not there, see -lib: %w", err)
	}

	// All of it is made beside its place, so that a failure leaves what is there.
	output, err = filepath.Abs(output)
	if err != nil {
		return err
	}
	if err := mayReplace(output); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(output), 0o755); err != nil {
		return err
	}
	made, err := os.MkdirTemp(filepath.Dir(output), ".standin-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(made)
	if err := os.Chmod(made, 0o755); err != nil {
		return err
	}

	err = copyTree(upstream.Dir, made, func(path string) bool {
		return isInRoot(path) && filepath.Ext(path) == ".go"
	})
	if err != nil {
		return err
	}
	err = copyTree(binding.Dir, made, func(path string) bool {
		kind := filepath.Ext(path)
		return kind != ".go" && kind != ".h" || strings.HasSuffix(path, "_test.go") ||
			strings.HasPrefix(path, "link_")
	})
	if err != nil {
		return err
	}
	digest := sha256.Sum256(archive)
	text, err := os.ReadFile(header)
	if err != nil {
		return fmt.Errorf("the header is not there, see -header: %w", err)
	}
	for name, content := range map[string][]byte{
		"libraft.a": archive,
		"libraft.h": text,
		"link.go":   fmt.Appendf(nil, linkFile, hex.EncodeToString(digest[:7]), !coalesce),
		marker:      fmt.Appendf(nil, markerText, theirs, upstream.Version),
	} {
		if err := os.WriteFile(filepath.Join(made, name), content, 0o644); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(output); err != nil {
		return err
	}
	return os.Rename(made, output)
}

// mayReplace keeps the command from deleting what it has not made.
func mayReplace(output string) error {
	entries, err := os.ReadDir(output)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(output, marker)); err != nil {
		return fmt.Errorf("%s is there and was not made by this command", output)
	}
	return nil
}

// goModule is where the go command has a module.
type goModule struct {
	Dir, Version string
}

// module asks the go command for a module that the current one uses, or is.
func module(path string) (found goModule, err error) {
	run := exec.Command("go", "mod", "download", "-json", path)
	if path == ours {
		run = exec.Command("go", "list", "-m", "-json", path)
	}
	run.Stderr = os.Stderr
	output, err := run.Output()
	if err != nil {
		return found, fmt.Errorf("%s: %w", strings.Join(run.Args, " "), err)
	}
	if err := json.Unmarshal(output, &found); err != nil {
		return found, err
	}
	if found.Dir == "" {
		return found, fmt.Errorf("the go command does not say where %s is", path)
	}
	return found, nil
}

func isInRoot(path string) bool {
	return filepath.Dir(path) == "."
}

// copyTree copies files, all of them writable, without the files and directories to skip.
func copyTree(from, to string, skip func(path string) bool) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		place := filepath.Join(to, relative)
		switch {
		case entry.IsDir() && relative != "." && skip(relative):
			return fs.SkipDir
		case entry.IsDir():
			return os.MkdirAll(place, 0o755)
		case !entry.Type().IsRegular() || skip(relative):
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(place, content, 0o644)
	})
}
