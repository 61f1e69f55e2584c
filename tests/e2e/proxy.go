// A network for machines that may not make namespaces: everything on the loopback interface, and a
// proxy in front of each server. Its peers and the clients are told the proxy's address. Who
// sends a request stands in its Raft-Address header; so each direction of each pair can be told
// apart, cut, delayed, and made to lose requests or answers. Nothing is ever sent twice, since HTTP over TCP
// doesn't do so either.

package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

const (
	// holdLimit is how long a request waits at a cut link, as TCP's segments would.
	holdLimit = 15 * time.Second
	// maxBody is what the servers take, and some more.
	maxBody = 65 << 20
)

// proxyNetwork has machines 1 ..= n.
type proxyNetwork struct {
	links     *Links
	listens   []string       // where each server listens
	addresses []string       // its proxy, which is where others find it
	machines  map[string]int // by the server's own address
	servers   []*http.Server
}

func newProxyNetwork(machines int, links *Links) (*proxyNetwork, error) {
	n := &proxyNetwork{links: links, listens: []string{""}, addresses: []string{""}, machines: map[string]int{}}
	for machine := 1; machine <= machines; machine++ {
		// A server's own port is free now and stays so: ports of this range are given to nobody
		// who doesn't ask for them.
		listen, err := freePort()
		if err != nil {
			n.Close()
			return nil, err
		}
		own := listen.Addr().String()
		front, err := freePort()
		_ = listen.Close()
		if err != nil {
			n.Close()
			return nil, err
		}
		n.listens = append(n.listens, own)
		n.addresses = append(n.addresses, front.Addr().String())
		n.machines[own] = machine
		server := &http.Server{Handler: n.proxy(machine), ReadHeaderTimeout: time.Minute}
		n.servers = append(n.servers, server)
		go func() { _ = server.Serve(front) }()
	}
	return n, nil
}

// freePort listens on a free port below those that Linux gives to outgoing connections, so that it
// is still free when a server that was killed is started again.
func freePort() (net.Listener, error) {
	var err error
	for range 200 {
		var listener net.Listener
		port := 15000 + rand.IntN(15000)
		if listener, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return listener, nil
		}
	}
	return nil, fmt.Errorf("no free port: %w", err)
}

// proxy is what stands in front of a machine.
func (n *proxyNetwork) proxy(to int) http.Handler {
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: time.Second}).DialContext,
		MaxIdleConnsPerHost: 64,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from := clients
		if sender := r.Header.Get("Raft-Address"); sender != "" {
			from = n.machines[sender]
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil || !n.pass(r, from, to, len(body)) {
			panic(http.ErrAbortHandler)
		}
		request, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+n.listens[to], bytes.NewReader(body))
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		request.URL.Path, request.URL.RawPath, request.URL.RawQuery = r.URL.Path, r.URL.RawPath, r.URL.RawQuery
		request.Header = r.Header.Clone()
		if from != clients {
			request.Header.Set("Raft-Address", n.addresses[from])
		}
		// Whoever sent it must not see it sent twice; net/http would do that if it could.
		request.GetBody = nil
		answer, err := transport.RoundTrip(request)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer answer.Body.Close()
		content, err := io.ReadAll(answer.Body)
		if err != nil || !n.pass(r, to, from, len(content)) {
			panic(http.ErrAbortHandler)
		}
		for name, values := range answer.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.StatusCode)
		_, _ = w.Write(content)
	})
}

// pass lets a request or an answer go over a link, as late as the link makes it, and says whether it arrives.
func (n *proxyNetwork) pass(r *http.Request, from, to, size int) bool {
	limit := time.NewTimer(holdLimit)
	defer limit.Stop()
	for {
		// Before the decision, so that no change is missed.
		changed := n.links.Changed()
		fate := n.links.Decide(from, to, size)
		if fate.Lost && !fate.Cut {
			return false
		}
		if !fate.Cut {
			select {
			case <-time.After(fate.Delay):
				return true
			case <-r.Context().Done():
				return false
			}
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return false
		case <-limit.C:
			return false
		}
	}
}

func (n *proxyNetwork) Listen(machine int) string { return n.listens[machine] }

func (n *proxyNetwork) Address(machine int) string { return n.addresses[machine] }

func (n *proxyNetwork) Enter(int) (func() error, error) { return func() error { return nil }, nil }

func (n *proxyNetwork) Name() string { return "proxy" }

func (n *proxyNetwork) Close() {
	for _, server := range n.servers {
		_ = server.Close()
	}
}
