// Namespaces of our own: the program starts itself once more as the first process of new network, process
// and mount namespaces (and, if it isn't root, of a user namespace that makes it root inside). What is
// inside can't be reached from outside, and ends with its first process, however that ends: the
// servers are killed, the namespaces and what is mounted in them go.

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	insideVariable = "E2E_INSIDE"
	// refusedCode is how the inner process says that it can't do what a sandbox is for.
	refusedCode = 75
)

func inside() bool { return os.Getenv(insideVariable) != "" }

// errRefused says that this machine doesn't allow the namespaces.
var errRefused = errors.New("namespaces are refused here")

// runInside runs this program again inside a sandbox and gives its exit code.
func runInside() (int, error) {
	// The death signal is tied to the thread that starts the process, and main's outlives everything.
	runtime.LockOSThread()
	flags := uintptr(unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWNS)
	code, err := startInside(&syscall.SysProcAttr{Cloneflags: flags, Pdeathsig: syscall.SIGKILL})
	if errors.Is(err, unix.EPERM) {
		code, err = startInside(&syscall.SysProcAttr{
			Cloneflags:                 flags | unix.CLONE_NEWUSER,
			Pdeathsig:                  syscall.SIGKILL,
			UidMappings:                []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
			GidMappings:                []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
			GidMappingsEnableSetgroups: false,
		})
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %v", errRefused, err)
	}
	if code == refusedCode {
		return 0, errRefused
	}
	return code, nil
}

func startInside(attributes *syscall.SysProcAttr) (int, error) {
	command := exec.Command("/proc/self/exe", os.Args[1:]...)
	command.Env = append(os.Environ(), insideVariable+"=1")
	command.Stdin, command.Stdout, command.Stderr = nil, os.Stdout, os.Stderr
	command.SysProcAttr = attributes
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := command.Start(); err != nil {
		return 0, err
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		for {
			select {
			case s := <-signals:
				// After Ctrl-C the terminal has sent it to both already; twice does no harm.
				_ = command.Process.Signal(s)
			case <-ended:
				return
			}
		}
	}()
	if err := command.Wait(); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			return 0, err
		}
		if code := exit.ExitCode(); code >= 0 {
			return code, nil
		}
		return 1, nil
	}
	return 0, nil
}

// prepareInside is the first thing that the inner process does.
func prepareInside() error {
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	// Process ids are others in here.
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("/proc: %w", err)
	}
	return nil
}

// mountDisk puts a file system of a certain size, in memory, in a directory.
func mountDisk(directory string, bytes int64) error {
	return unix.Mount("e2e", directory, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("size=%d", bytes))
}
