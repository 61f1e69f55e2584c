// The server processes: started in their machine's place, killed, paused, and watched, so that
// one that ends by itself doesn't go unnoticed. Only what was started here is ever signalled.

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Program is a server: the language, and how it is called.
type Program struct {
	Language string
	Command  []string
}

// findPrograms gives the servers of a comma-separated list of languages, as this checkout has built them.
func findPrograms(root, list string) ([]Program, error) {
	var programs []Program
	for _, language := range strings.Split(list, ",") {
		var command []string
		switch language {
		case "cpp", "go":
			command = []string{filepath.Join(root, "build", "kv-"+language)}
		case "python":
			command = []string{
				filepath.Join(root, ".venv", "bin", "python"),
				filepath.Join(root, "examples", "kv", "python", "server.py"),
			}
		default:
			return nil, fmt.Errorf("-servers: %q is none of cpp, go, python", language)
		}
		for _, file := range command {
			if _, err := os.Stat(file); err != nil {
				return nil, fmt.Errorf("the %s server has not been built (make servers): %w", language, err)
			}
		}
		programs = append(programs, Program{language, command})
	}
	return programs, nil
}

// Network is where the machines are.
type Network interface {
	Name() string
	Listen(machine int) string               // where its server listens
	Address(machine int) string              // where others find it
	Enter(machine int) (func() error, error) // puts the calling thread into its place, for a start
	Close()
}

// Starter starts processes from one thread that lives as long as the program, since the kernel kills
// them when that thread ends.
type Starter struct {
	network  Network
	requests chan func()
}

func newStarter(network Network) *Starter {
	s := &Starter{network: network, requests: make(chan func())}
	go func() {
		runtime.LockOSThread()
		for request := range s.requests {
			request()
		}
		// Not unlocked: the thread ends, and with it what it has started.
	}()
	return s
}

// start starts a command on a machine.
func (s *Starter) start(machine int, command *exec.Cmd) error {
	result := make(chan error)
	s.requests <- func() {
		leave, err := s.network.Enter(machine)
		if err == nil {
			err = command.Start()
			err = errors.Join(err, leave())
		}
		result <- err
	}
	return <-result
}

// Process is one run of a server.
type Process struct {
	machine  int
	member   uint64
	language string
	command  *exec.Cmd
	log      string
	began    int64 // where in the log its output begins
	ended    chan struct{}
	mu       sync.Mutex
	excused  bool // it is ended by us
	starved  bool // its disk was full at some time
	exitCode int  // once ended is closed; -1 if by a signal
}

// launch starts a server. Whoever starts it gives unexcused, which is called if it ends by itself.
func (s *Starter) launch(
	machine int, member uint64, program Program, log string, flags []string, unexcused func(*Process),
) (*Process, error) {
	output, err := os.OpenFile(log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	before, err := output.Stat()
	if err != nil {
		return nil, err
	}
	command := exec.Command(program.Command[0], append(slices.Clone(program.Command[1:]), flags...)...)
	command.Stdout, command.Stderr = output, output
	// A session of its own, so that Ctrl-C at the terminal reaches only the driver.
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	p := &Process{
		machine: machine, member: member, language: program.Language, command: command, log: log,
		began: before.Size(), ended: make(chan struct{}),
	}
	if err := s.start(machine, command); err != nil {
		return nil, err
	}
	go func() {
		_ = command.Wait()
		p.mu.Lock()
		p.exitCode = command.ProcessState.ExitCode() // -1 if by a signal
		excused := p.excused
		p.mu.Unlock()
		close(p.ended)
		if !excused {
			unexcused(p)
		}
	}()
	return p, nil
}

func (p *Process) alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// excuse makes it no fault that the process ends from now on, however it does.
func (p *Process) excuse() {
	p.mu.Lock()
	p.excused = true
	p.mu.Unlock()
}

// starve says that the process's disk is full, so that it may end with that as its reason, then or later.
func (p *Process) starve() {
	p.mu.Lock()
	p.starved = true
	p.mu.Unlock()
}

// endedForSpace says whether a process has ended as it may when its disk is full.
func (p *Process) endedForSpace() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.starved && p.exitCode == 1 && strings.Contains(p.lastWords(1), "No space left on device")
}

// wasKilled says whether a process has ended by SIGKILL.
func (p *Process) wasKilled() bool {
	status, ok := p.command.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// kill sends SIGKILL and waits for the end.
func (p *Process) kill() {
	p.excuse()
	_ = p.command.Process.Kill()
	<-p.ended
}

// serves says whether the process has printed that it serves; from then on it takes SIGTERM for a request.
func (p *Process) serves() bool { return strings.Contains(p.output(), " serves http://") }

// output is what the process has printed.
func (p *Process) output() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return ""
	}
	return string(text[min(p.began, int64(len(text))):])
}

// terminate sends SIGTERM, and says what is wrong with how the process ended; SIGKILL follows if it doesn't.
func (p *Process) terminate(patience time.Duration) error {
	serves := p.serves()
	p.excuse()
	p.resume()
	_ = p.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.kill()
		return fmt.Errorf("it had not ended %v after SIGTERM", patience)
	}
	if p.exitCode != 0 && serves {
		return fmt.Errorf("%s after SIGTERM", p.describeEnd())
	}
	return nil
}

func (p *Process) pause() {
	_ = p.command.Process.Signal(syscall.SIGSTOP)
}

func (p *Process) resume() {
	_ = p.command.Process.Signal(syscall.SIGCONT)
}

// describeEnd says how the process ended; only once it has.
func (p *Process) describeEnd() string { return p.command.ProcessState.String() }

// lastWords is the end of what the process has printed.
func (p *Process) lastWords(lines int) string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return ""
	}
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return "    " + strings.Join(all[max(0, len(all)-lines):], "\n    ")
}
