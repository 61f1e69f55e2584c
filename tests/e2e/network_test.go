// The networks: what a rule does to a request, an answer and a packet; and the processes.

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// behindProxies is two machines behind proxies. Each answers with its number and who it thinks has asked,
// and says in arrived that it was reached.
func behindProxies(t *testing.T) (n *proxyNetwork, arrived chan int) {
	t.Helper()
	n, err := newProxyNetwork(2, newLinks(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	arrived = make(chan int, 100)
	for machine := 1; machine <= 2; machine++ {
		listener, err := net.Listen("tcp", n.Listen(machine))
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			arrived <- machine
			fmt.Fprintf(w, "%d %s %s %s", machine, r.URL.EscapedPath(), r.Header.Get("Raft-Address"), body)
		})}
		go func() { _ = server.Serve(listener) }()
		t.Cleanup(func() { _ = server.Close() })
	}
	return n, arrived
}

// ask sends a request through a proxy, in the name of a machine or of the clients.
func ask(n *proxyNetwork, from, to int, limit time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	url := "http://" + n.Address(to) + "/kv/a%2Fb"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("body"))
	if err != nil {
		return "", err
	}
	if from != clients {
		request.Header.Set("Raft-Address", n.Listen(from))
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	return string(content), err
}

const long = time.Minute

func TestAProxyPassesOnAndKnowsWhoAsks(t *testing.T) {
	n, _ := behindProxies(t)
	if got, err := ask(n, clients, 1, long); err != nil || got != "1 /kv/a%2Fb  body" {
		t.Errorf("clients: %q %v", got, err)
	}
	if got, err := ask(n, 1, 2, long); err != nil || got != "2 /kv/a%2Fb "+n.Address(1)+" body" {
		t.Errorf("machine 1: %q %v", got, err)
	}
}

func TestACutLinkPassesNothingOneWayAndOthersDo(t *testing.T) {
	n, arrived := behindProxies(t)
	n.links.Set(1, 2, Rule{Cut: true})
	if got, err := ask(n, 1, 2, 200*time.Millisecond); err == nil {
		t.Errorf("over a cut link came %q", got)
	}
	if len(arrived) > 0 {
		t.Error("over a cut link a request has arrived")
	}
	// A request the other way arrives; only its answer has to come over the cut link.
	if got, err := ask(n, 2, 1, 200*time.Millisecond); err == nil {
		t.Errorf("over a cut link came the answer %q", got)
	}
	if len(arrived) != 1 {
		t.Errorf("%d requests have arrived, not one", len(arrived))
	}
	if _, err := ask(n, clients, 2, long); err != nil {
		t.Errorf("clients are cut off: %v", err)
	}
}

func TestARequestWaitsUntilTheLinkIsHealed(t *testing.T) {
	n, arrived := behindProxies(t)
	n.links.Set(1, 2, Rule{Cut: true})
	done := make(chan error)
	go func() {
		_, err := ask(n, 1, 2, long)
		done <- err
	}()
	// Until the proxy has seen it.
	for n.links.Traffic().dropped == 0 {
		time.Sleep(time.Millisecond)
	}
	if len(arrived) > 0 {
		t.Error("it has arrived too early")
	}
	n.links.Heal()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestLossTakesRequestsAndAnswers(t *testing.T) {
	n, arrived := behindProxies(t)
	n.links.Set(1, 2, Rule{Loss: 1})
	if got, err := ask(n, 1, 2, long); err == nil {
		t.Errorf("%q came through", got)
	}
	if len(arrived) > 0 {
		t.Error("a lost request has arrived")
	}
	n.links.Heal()
	n.links.Set(2, 1, Rule{Loss: 1})
	if got, err := ask(n, 1, 2, long); err == nil {
		t.Errorf("%q came through", got)
	}
	if len(arrived) != 1 {
		t.Errorf("%d requests have arrived, not one", len(arrived))
	}
}

func TestDelayAndDoublesAreDrawn(t *testing.T) {
	links := newLinks(1)
	links.doubles = true
	links.Set(1, 2, Rule{Delay: time.Second, Jitter: time.Second, Duplicate: 1})
	for range 100 {
		if fate := links.Decide(1, 2, 1); fate.Delay < time.Second || fate.Delay >= 2*time.Second || fate.Copies != 2 || fate.Lost {
			t.Fatalf("%+v", fate)
		}
		if fate := links.Decide(2, 1, 1); fate != (Fate{Copies: 1}) {
			t.Fatalf("the other direction: %+v", fate)
		}
	}
	links.Set(1, 2, Rule{})
	if fate := links.Decide(1, 2, 1); fate != (Fate{Copies: 1}) {
		t.Errorf("%+v", fate)
	}
	if carried := links.Traffic(); carried != (traffic{passed: 201, delayed: 100, doubled: 100}) {
		t.Errorf("%+v", carried)
	}
}

func TestALinkOfLimitedRateKeepsABoundedQueue(t *testing.T) {
	links := newLinks(1)
	links.Set(1, 2, Rule{Rate: 1000})
	last, passed := time.Duration(0), 0
	for range 1000 {
		fate := links.Decide(1, 2, 100)
		if fate.Lost {
			continue
		}
		passed++
		if fate.Delay <= last || fate.Delay > longestQueue+100*time.Millisecond {
			t.Fatalf("after %v comes %v", last, fate.Delay)
		}
		last = fate.Delay
	}
	// 2 seconds of 10 in a second, and one more; as many again for each 2 seconds that this loop has taken.
	if passed < 20 || passed == 1000 {
		t.Errorf("%d have passed", passed)
	}
	links.Heal()
	links.Set(1, 2, Rule{Rate: 1000})
	if fate := links.Decide(1, 2, 1_000_000); fate.Lost || fate.Delay < 999*time.Second {
		t.Errorf("a large one: %+v", fate)
	}
}

func TestPacketsGoWhereTheirAddressSays(t *testing.T) {
	n := &tunNetwork{ends: make([]*os.File, 4)}
	packet := func(version byte, to ...byte) []byte {
		return append(append([]byte{version << 4}, make([]byte, 15)...), to...)
	}
	for _, test := range []struct {
		packet []byte
		to     int
		ok     bool
	}{
		{packet(4, 10, 86, 0, 3), 3, true},
		{packet(4, 10, 86, 0, clientHost), clients, true},
		{packet(4, 10, 86, 0, 4), 0, false},
		{packet(4, 10, 86, 0, 0), 0, false},
		{packet(4, 10, 86, 1, 3), 0, false},
		{packet(6, 10, 86, 0, 3), 0, false},
		{packet(4, 10, 86), 0, false},
	} {
		if to, ok := n.recipient(test.packet); ok != test.ok || ok && to != test.to {
			t.Errorf("%v: %d %v", test.packet, to, ok)
		}
	}
}

// noPlace is a network in which everything runs where it is.
type noPlace struct{ *proxyNetwork }

func TestProcessesAreWatched(t *testing.T) {
	starter := newStarter(&noPlace{})
	defer close(starter.requests)
	log := filepath.Join(t.TempDir(), "log")
	unexpected := make(chan *Process, 10)
	launch := func(script string) *Process {
		p, err := starter.launch(1, 1, Program{"sh", []string{"sh", "-c"}}, log, []string{script}, func(p *Process) {
			unexpected <- p
		})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := launch("echo last words; exit 3")
	<-p.ended
	if got := <-unexpected; got != p || p.exitCode != 3 || p.lastWords(1) != "    last words" || p.wasKilled() {
		t.Errorf("%v, exit code %d, %q", got == p, p.exitCode, p.lastWords(1))
	}
	p = launch("exec sleep 600")
	p.pause()
	p.kill()
	if !p.wasKilled() || p.alive() {
		t.Errorf("it ended with %s", p.describeEnd())
	}
	p = launch("trap 'exit 0' TERM; echo ready; while true; do sleep 0.01; done")
	for !strings.Contains(p.lastWords(1), "ready") {
		time.Sleep(time.Millisecond)
	}
	if err := p.terminate(long); err != nil {
		t.Error(err)
	}
	for _, serves := range []bool{false, true} {
		p = launch("echo ready")
		<-p.ended
		<-unexpected
		p = launch(fmt.Sprintf("%v && echo kv: node 1 serves http://here/; echo ready; exec sleep 600", serves))
		for !strings.Contains(p.output(), "ready") {
			time.Sleep(time.Millisecond)
		}
		if err := p.terminate(long); (err != nil) != serves {
			t.Errorf("an end by SIGTERM, serving %v: %v", serves, err)
		}
	}
	if len(unexpected) > 0 {
		t.Error("what was ended on purpose is reported")
	}
	if _, err := starter.launch(1, 1, Program{"none", []string{"/nonexistent"}}, log, nil, nil); err == nil {
		t.Error("what does not exist was started")
	}
}

func TestBadFlagsAreRefused(t *testing.T) {
	for _, flags := range []string{
		"-seconds 0", "-nodes 2", "-nodes 10", "-clients 0", "-keys 0", "-think -1", "-network tube", "-disk tape",
		"-disk memory -network proxy", "-wrong none", "-wrong stale", "-servers cobol", "-servers go,", "-only flood", "-only kill,", "-root /nonexistent", "extra",
	} {
		if _, err := parse(strings.Fields(flags)); err == nil {
			t.Errorf("%s: taken", flags)
		}
	}
}
