// A cluster of server processes on some machines. A machine is a place with an address and a disk; a
// member is an id, which is never used twice. A machine whose disk is lost comes back as another member.
//
// The nemesis and the checks go through here. Methods may be called from any goroutine; what
// they find may have changed when they return.

package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Machine is a place for a server. Its mutex is held through each step of its life.
type Machine struct {
	Number  int
	mu      sync.Mutex
	program Program
	process *Process
	member  uint64 // 0: nothing is installed
	flags   []string
	added   uint64 // the index of the member's addition
	removed bool   // its member was removed, and what is installed should know
	full    bool   // its disk is full
}

// Cluster is all machines, and what was noted of them.
type Cluster struct {
	network  Network
	starter  *Starter
	programs []Program
	root     string // the directory of this run
	seed     uint64
	disks    bool // each machine has a disk of its own, of limited size
	machines []*Machine
	client   *http.Client

	mu         sync.Mutex
	nextMember uint64
	faults     []string // what must not happen
	starts     int
	diskEnds   int // servers that ended because their disk was full
}

// diskSize is the size of a machine's disk, where it has its own.
const diskSize = 192 << 20

func newCluster(network Network, programs []Program, root string, seed uint64, machines int, disks bool) (*Cluster, error) {
	c := &Cluster{
		network: network, starter: newStarter(network), programs: programs, root: root, seed: seed, disks: disks,
		client:     &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		nextMember: 1,
	}
	for number := 1; number <= machines; number++ {
		c.machines = append(c.machines, &Machine{Number: number})
		if err := os.MkdirAll(c.disk(number), 0o755); err != nil {
			return nil, err
		}
		if disks {
			if err := mountDisk(c.disk(number), diskSize); err != nil {
				return nil, fmt.Errorf("a disk for machine %d: %w", number, err)
			}
		}
	}
	return c, nil
}

func (c *Cluster) disk(machine int) string {
	return filepath.Join(c.root, fmt.Sprintf("machine-%d", machine))
}

func (c *Cluster) data(m *Machine) string {
	return filepath.Join(c.disk(m.Number), fmt.Sprintf("member-%d", m.member))
}

func (c *Cluster) ballast(m *Machine) string { return filepath.Join(c.disk(m.Number), "ballast") }

// fault notes something that must not happen.
func (c *Cluster) fault(format string, arguments ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, fmt.Sprintf(format, arguments...))
}

// bootstrap installs the first members on the first machines, and starts them.
func (c *Cluster) bootstrap(members int) error {
	var peers []string
	for _, m := range c.machines[:members] {
		peers = append(peers, fmt.Sprintf("%d=%s", m.Number, c.network.Address(m.Number)))
	}
	for _, m := range c.machines[:members] {
		if err := c.install(m, "--peers", strings.Join(peers, ",")); err != nil {
			return err
		}
		if err := c.start(m); err != nil {
			return err
		}
	}
	return nil
}

// install gives a machine an empty disk and a new member's id.
func (c *Cluster) install(m *Machine, flags ...string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.process != nil && m.process.alive() {
		return fmt.Errorf("machine %d is in use", m.Number)
	}
	if m.member != 0 {
		if err := os.RemoveAll(c.data(m)); err != nil {
			return err
		}
	}
	c.mu.Lock()
	m.member = c.nextMember
	c.nextMember++
	c.mu.Unlock()
	m.program = c.programs[(int(m.member)-1)%len(c.programs)]
	m.removed, m.added = false, 1
	m.flags = append([]string{
		"--id", strconv.FormatUint(m.member, 10), "--data", c.data(m), "--listen", c.network.Listen(m.Number),
		"--seed", strconv.FormatUint(c.seed*1000+m.member, 10),
	}, flags...)
	return nil
}

// start starts what is installed on a machine, if it doesn't run.
func (c *Cluster) start(m *Machine) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.member == 0 || m.process != nil && m.process.alive() {
		return nil
	}
	log := filepath.Join(c.root, fmt.Sprintf("member-%d.log", m.member))
	process, err := c.starter.launch(m.Number, m.member, m.program, log, m.flags, c.ended)
	if err != nil {
		return fmt.Errorf("member %d: %w", m.member, err)
	}
	if m.full {
		process.starve()
	}
	m.process = process
	c.mu.Lock()
	c.starts++
	c.mu.Unlock()
	return nil
}

// ended judges a process that has ended by itself.
func (c *Cluster) ended(p *Process) {
	if p.endedForSpace() {
		c.mu.Lock()
		c.diskEnds++
		c.mu.Unlock()
		return
	}
	c.fault("member %d (%s) ended by itself: %s\n%s", p.member, p.language, p.describeEnd(), p.lastWords(15))
}

// running gives a machine's process, if it runs.
func (m *Machine) running() *Process {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.process != nil && m.process.alive() {
		return m.process
	}
	return nil
}

// installed gives the member of a machine that should be a part of the cluster, or 0.
func (m *Machine) installed() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.removed {
		return 0
	}
	return m.member
}

// addedAt notes the index at which a machine's member was added.
func (m *Machine) addedAt(index uint64) {
	m.mu.Lock()
	m.added = max(m.added, index)
	m.mu.Unlock()
}

// language is that of the server on a machine.
func (m *Machine) language() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.program.Language
}

// retire marks that a machine's member was removed from the cluster.
func (m *Machine) retire() {
	m.mu.Lock()
	m.removed = true
	m.mu.Unlock()
}

// wipe kills what runs on a machine and deletes its disk. It is unused after that.
func (c *Cluster) wipe(m *Machine) error {
	if p := m.running(); p != nil {
		p.kill()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	err := os.RemoveAll(c.data(m))
	// What was added when is kept: it may not have been removed yet.
	m.member, m.process, m.removed = 0, nil, false
	return err
}

// forget deletes a machine's disk and leaves it the id, which no correct host may do.
func (c *Cluster) forget(m *Machine) error {
	if p := m.running(); p != nil {
		p.kill()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return os.RemoveAll(c.data(m))
}

// members are the machines that have a member of the cluster; spares have nothing installed.
func (c *Cluster) members() (members []*Machine) {
	for _, m := range c.machines {
		if m.installed() != 0 {
			members = append(members, m)
		}
	}
	return members
}

func (c *Cluster) spares() (spares []*Machine) {
	for _, m := range c.machines {
		m.mu.Lock()
		if m.member == 0 {
			spares = append(spares, m)
		}
		m.mu.Unlock()
	}
	return spares
}

// fill makes a machine's disk full. Its server may end because of that, if it says so.
func (c *Cluster) fill(m *Machine) error {
	m.mu.Lock()
	m.full = true
	if m.process != nil {
		m.process.starve()
	}
	m.mu.Unlock()
	file, err := os.Create(c.ballast(m))
	if err != nil {
		return err
	}
	defer file.Close()
	var space unix.Statfs_t
	if err := unix.Statfs(c.disk(m.Number), &space); err != nil {
		return err
	}
	for size := int64(space.Bfree) * int64(space.Bsize); size >= 4096; size /= 2 {
		// The server writes at the same time; what it leaves is taken in smaller and smaller pieces.
		info, err := file.Stat()
		if err != nil {
			return err
		}
		_ = unix.Fallocate(int(file.Fd()), 0, info.Size(), size)
	}
	return nil
}

// drain makes room on a machine's disk again.
func (c *Cluster) drain(m *Machine) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.full = false
	return os.Remove(c.ballast(m))
}

// wrong is what has happened so far that must not.
func (c *Cluster) wrong() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.faults)
}

func (c *Cluster) sound() bool { return len(c.wrong()) == 0 }

func (c *Cluster) kindOfDisks() string {
	if c.disks {
		return "in memory"
	}
	return "real"
}

// unmount gives the machines' disks back.
func (c *Cluster) unmount() {
	if c.disks {
		for _, m := range c.machines {
			_ = unix.Unmount(c.disk(m.Number), 0)
		}
	}
}

// close ends all servers and what starts them.
func (c *Cluster) close() {
	for _, m := range c.machines {
		if p := m.running(); p != nil {
			p.kill()
		}
	}
	close(c.starter.requests)
}
