package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long a cluster may take for what it has to do.
const patience = 60 * time.Second

// cluster is several servers in this process.
type cluster struct {
	t       *testing.T
	dir     string
	first   map[uint64]string
	address map[uint64]string
	servers map[uint64]*Server
}

func newCluster(t *testing.T, size uint64) *cluster {
	c := &cluster{
		t: t, dir: t.TempDir(), first: map[uint64]string{}, address: map[uint64]string{},
		servers: map[uint64]*Server{},
	}
	t.Cleanup(func() {
		for id := range c.servers {
			c.crash(id)
		}
	})
	listeners := map[uint64]net.Listener{}
	for id := uint64(1); id <= size; id++ {
		listeners[id] = c.listen(id)
		c.first[id] = "http://" + c.address[id]
	}
	for id, listener := range listeners {
		c.serve(id, listener, false)
	}
	return c
}

// listen takes the port of a server, the one that it had before if there was one.
func (c *cluster) listen(id uint64) net.Listener {
	c.t.Helper()
	address := c.address[id]
	if address == "" {
		address = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		c.t.Fatal(err)
	}
	c.address[id] = listener.Addr().String()
	return listener
}

func (c *cluster) serve(id uint64, listener net.Listener, join bool) {
	c.t.Helper()
	server, err := Serve(Options{
		ID: id, Dir: filepath.Join(c.dir, fmt.Sprint(id)), Listener: listener, Peers: c.first, Join: join,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.servers[id] = server
}

func (c *cluster) crash(id uint64) {
	c.servers[id].Close()
	delete(c.servers, id)
}

func (c *cluster) restart(id uint64) { c.serve(id, c.listen(id), true) }

// request asks until there is an answer.
func (c *cluster) request(method string, id uint64, path, body string) (status int, text string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	for ctx.Err() == nil {
		request, err := http.NewRequestWithContext(
			ctx, method, "http://"+c.address[id]+path, strings.NewReader(body))
		if err != nil {
			c.t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			continue
		}
		data, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			continue
		}
		status, text = response.StatusCode, string(data)
		if status != http.StatusServiceUnavailable {
			return status, text
		}
	}
	c.t.Fatalf("%s %s at %d: %d %s", method, path, id, status, text)
	return
}

func (c *cluster) put(id uint64, key, value string) {
	c.t.Helper()
	if status, text := c.request("PUT", id, "/keys/"+key, value); status != http.StatusNoContent {
		c.t.Fatalf("%d: %d %s", id, status, text)
	}
}

func (c *cluster) expect(id uint64, key, want string) {
	c.t.Helper()
	status, text := c.request("GET", id, "/keys/"+key, "")
	if want == "" && status == http.StatusNotFound {
		return
	}
	if status != http.StatusOK || text != want {
		c.t.Fatalf("%d has %s = %d %q instead of %q", id, key, status, text, want)
	}
}

// leader waits until all servers agree on a leader, and returns it and another one.
func (c *cluster) leader() (leader, other uint64) {
	c.t.Helper()
	for begin := time.Now(); time.Since(begin) < patience; time.Sleep(tick) {
		seen := map[uint64]bool{}
		for id, server := range c.servers {
			leader = server.Leader()
			seen[leader] = true
			if id != leader {
				other = id
			}
		}
		if _, here := c.servers[leader]; len(seen) == 1 && here {
			return leader, other
		}
	}
	c.t.Fatal("no leader is agreed on")
	return
}

func TestWhatIsWrittenAnywhereIsReadEverywhere(t *testing.T) {
	c := newCluster(t, 3)
	for id := range c.servers {
		c.expect(id, "missing", "")
		c.put(id, fmt.Sprint("from", id), fmt.Sprint("value", id))
	}
	for reader := range c.servers {
		for writer := range c.servers {
			c.expect(reader, fmt.Sprint("from", writer), fmt.Sprint("value", writer))
		}
	}
}

func TestManyWritersAreServedAtOnce(t *testing.T) {
	c := newCluster(t, 3)
	var writing sync.WaitGroup
	for writer := range 8 {
		writing.Go(func() {
			for number := range 25 {
				c.put(uint64(number%3+1), fmt.Sprintf("%d-%d", writer, number), fmt.Sprint(number))
			}
		})
	}
	writing.Wait()
	for writer := range 8 {
		c.expect(uint64(writer%3+1), fmt.Sprintf("%d-24", writer), "24")
	}
}

func TestACrashedMemberComesBackWithWhatItHad(t *testing.T) {
	c := newCluster(t, 3)
	c.put(1, "a", "1")
	leader, _ := c.leader()
	c.crash(leader)
	_, other := c.leader()
	c.put(other, "b", "2")
	c.restart(leader)
	c.expect(leader, "a", "1")
	c.expect(leader, "b", "2")

	// All at once, and in their logs is all that they have.
	for id := range c.first {
		c.crash(id)
	}
	for id := range c.first {
		c.restart(id)
	}
	for id := range c.first {
		c.expect(id, "a", "1")
		c.expect(id, "b", "2")
	}
}

func TestAMemberThatIsFarBehindIsSentASnapshot(t *testing.T) {
	c := newCluster(t, 3)
	c.put(1, "before", "x")
	_, away := c.leader()
	c.crash(away)
	leader, _ := c.leader()
	for number := range 3 * snapshotEvery {
		c.put(leader, fmt.Sprint("key", number), fmt.Sprint(number))
	}
	if first := c.servers[leader].FirstIndex(); first < 2*snapshotEvery {
		t.Fatalf("the log still begins at %d", first)
	}
	c.restart(away)
	last := fmt.Sprint(3*snapshotEvery - 1)
	c.expect(away, "key"+last, last)
	c.expect(away, "before", "x")
	// It goes on from the snapshot as well.
	c.crash(away)
	c.restart(away)
	c.expect(away, "key"+last, last)
}

func TestMembersComeAndGo(t *testing.T) {
	c := newCluster(t, 1)
	c.put(1, "a", "1")
	for id := uint64(2); id <= 4; id++ {
		listener := c.listen(id)
		c.serve(id, listener, true)
		status, text := c.request("POST", 1, fmt.Sprint("/members/", id), "http://"+c.address[id])
		if status != http.StatusNoContent {
			t.Fatal(status, text)
		}
		c.expect(id, "a", "1")
	}
	leader, other := c.leader()
	if status, text := c.request("DELETE", other, fmt.Sprint("/members/", leader), ""); status != http.StatusNoContent {
		t.Fatal(status, text)
	}
	c.crash(leader)
	_, other = c.leader()
	c.put(other, "b", "2")
	for id := range c.servers {
		c.expect(id, "b", "2")
	}
	if status, _ := c.request("POST", other, "/members/x", "y"); status != http.StatusBadRequest {
		t.Fatal(status)
	}
}

func TestLeadershipIsHandedOver(t *testing.T) {
	c := newCluster(t, 3)
	c.put(1, "a", "1")
	leader, other := c.leader()
	for begin := time.Now(); leader != other && time.Since(begin) < patience; time.Sleep(tick) {
		c.servers[leader].Transfer(t.Context(), other)
		time.Sleep(5 * tick)
		if now, _ := c.leader(); now == other {
			leader = now
		}
	}
	if leader != other {
		t.Fatalf("%d does not take over", other)
	}
	c.put(leader, "b", "2")
}
