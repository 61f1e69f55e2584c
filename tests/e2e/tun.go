// A network of namespaces: each machine has one of its own, with a single interface whose other end
// is this process. So every packet between two machines, and between the clients and a machine, passes
// through here, where it is cut, lost, doubled, delayed and overtaken in one direction or both,
// without any tool or kernel module but /dev/net/tun.
//
// It only works inside the sandbox (sandbox.go). A namespace goes with the last process and
// descriptor that holds it, so that nothing remains to be removed.

package main

import (
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// clientHost is the clients' last byte; a machine's is its number.
	clientHost = 254
	serverPort = 7000
	mtu        = 9000
	// maxDelayed bounds the packets that wait; what comes on top is lost, as in a router.
	maxDelayed = 20000
)

func hostAddress(machine int) netip.Addr {
	if machine == clients {
		machine = clientHost
	}
	return netip.AddrFrom4([4]byte{10, 86, 0, byte(machine)})
}

// tunNetwork has machines 0 ..= n, all connected.
type tunNetwork struct {
	links      *Links
	namespaces []int      // descriptors; of the clients, 0, it is the process's own
	ends       []*os.File // this process's end of each interface
	delayed    atomic.Int64
	stopped    atomic.Bool
}

func newTunNetwork(machines int, links *Links) (*tunNetwork, error) {
	n := &tunNetwork{links: links}
	links.doubles = true
	for machine := range machines + 1 {
		namespace, end, err := makePlace(machine)
		if err != nil {
			n.Close()
			return nil, fmt.Errorf("a namespace for machine %d: %w", machine, err)
		}
		n.namespaces = append(n.namespaces, namespace)
		n.ends = append(n.ends, end)
	}
	for machine := range n.ends {
		go n.forward(machine)
	}
	return n, nil
}

// makePlace makes a namespace with an interface in it, and gives descriptors of both. The clients stay
// in the namespace of this process.
func makePlace(machine int) (namespace int, end *os.File, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The thread is never unlocked, and so ends with this goroutine, together with the
		// namespace that it has entered.
		runtime.LockOSThread()
		if machine != clients {
			if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return
			}
		}
		if namespace, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			return
		}
		end, err = openInterface(hostAddress(machine))
	}()
	<-done
	return namespace, end, err
}

// openInterface makes an interface in the thread's namespace, and the loopback interface work.
func openInterface(address netip.Addr) (*os.File, error) {
	tun, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("/dev/net/tun: %w", err)
	}
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		defer unix.Close(socket)
		err = configure(tun, socket, address)
	}
	if err != nil {
		_ = unix.Close(tun)
		return nil, err
	}
	return os.NewFile(uintptr(tun), "tun"), nil
}

func configure(tun, socket int, address netip.Addr) error {
	const name = "e2e"
	request, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(tun, unix.TUNSETIFF, request); err != nil {
		return fmt.Errorf("TUNSETIFF: %w", err)
	}
	mask := netip.AddrFrom4([4]byte{255, 255, 255, 0})
	for _, step := range []struct {
		what    string
		request uint
		set     func(*unix.Ifreq) error
	}{
		{"address", unix.SIOCSIFADDR, func(r *unix.Ifreq) error { return r.SetInet4Addr(address.AsSlice()) }},
		{"mask", unix.SIOCSIFNETMASK, func(r *unix.Ifreq) error { return r.SetInet4Addr(mask.AsSlice()) }},
		{"mtu", unix.SIOCSIFMTU, func(r *unix.Ifreq) error { r.SetUint32(mtu); return nil }},
		{"up", unix.SIOCSIFFLAGS, func(r *unix.Ifreq) error { r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING); return nil }},
	} {
		request, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		if err := step.set(request); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
		if err := unix.IoctlIfreq(socket, step.request, request); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	loopback, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	loopback.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, loopback); err != nil {
		return fmt.Errorf("lo: %w", err)
	}
	return nil
}

// forward takes what one machine sends and passes it on, or not.
func (n *tunNetwork) forward(from int) {
	buffer := make([]byte, mtu+64)
	for {
		length, err := n.ends[from].Read(buffer)
		if err != nil {
			return
		}
		to, ok := n.recipient(buffer[:length])
		if !ok || to == from {
			continue
		}
		fate := n.links.Decide(from, to, length)
		if fate.Lost {
			continue
		}
		if fate.Delay == 0 {
			for range fate.Copies {
				_, _ = n.ends[to].Write(buffer[:length])
			}
			continue
		}
		if n.delayed.Add(1) > maxDelayed {
			n.delayed.Add(-1)
			continue
		}
		packet := append([]byte(nil), buffer[:length]...)
		time.AfterFunc(fate.Delay, func() {
			n.delayed.Add(-1)
			for range fate.Copies {
				if !n.stopped.Load() {
					_, _ = n.ends[to].Write(packet)
				}
			}
		})
	}
}

// recipient is the machine to which an IPv4 packet goes.
func (n *tunNetwork) recipient(packet []byte) (int, bool) {
	if len(packet) < 20 || packet[0]>>4 != 4 || [3]byte(packet[16:19]) != [3]byte{10, 86, 0} {
		return 0, false
	}
	host := int(packet[19])
	if host == clientHost {
		return clients, true
	}
	return host, host > 0 && host < len(n.ends)
}

func (n *tunNetwork) Listen(machine int) string {
	return netip.AddrPortFrom(hostAddress(machine), serverPort).String()
}

func (n *tunNetwork) Address(machine int) string { return n.Listen(machine) }

// Enter lets the thread run in a machine's namespace until leave is called. The thread must be locked.
func (n *tunNetwork) Enter(machine int) (leave func() error, err error) {
	if err := unix.Setns(n.namespaces[machine], unix.CLONE_NEWNET); err != nil {
		return nil, err
	}
	return func() error { return unix.Setns(n.namespaces[clients], unix.CLONE_NEWNET) }, nil
}

func (n *tunNetwork) Name() string { return "netns" }

func (n *tunNetwork) Close() {
	n.stopped.Store(true)
	for i := range n.ends {
		_ = n.ends[i].Close()
	}
	for _, namespace := range n.namespaces {
		_ = unix.Close(namespace)
	}
}
