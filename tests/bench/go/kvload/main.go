// kvload writes to the key-value servers of examples/kv from many clients, for some seconds, and says how
// many writes were acknowledged and how long they took.
//
//	kvload -servers 127.0.0.1:7001,127.0.0.1:7002 -clients 16 -seconds 3
//
// A client is a connection that stays open, to one of the servers in turn, and sends its next PUT when the
// last one was answered. Keys are a client's own, so that a value can be checked: at the end each client
// reads back what it wrote last.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	keysPerClient = 100
	valueBytes    = 100
	// An answer comes within two seconds, or is 503.
	patience = 10 * time.Second
)

type client struct {
	server     string
	number     int
	connection net.Conn
	reader     *bufio.Reader
	latencies  []time.Duration
	// Answers other than 200.
	refused int
	last    map[string]string
}

func (c *client) connect() error {
	connection, err := net.DialTimeout("tcp", c.server, patience)
	if err != nil {
		return err
	}
	c.connection, c.reader = connection, bufio.NewReader(connection)
	return nil
}

func (c *client) request(method, key, body string) (int, string, error) {
	if err := c.connection.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, "", err
	}
	request := fmt.Sprintf("%s /kv/%s HTTP/1.1\r\nHost: %s\r\n", method, key, c.server)
	if method == http.MethodPut {
		request += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	request += "\r\n" + body
	if _, err := io.WriteString(c.connection, request); err != nil {
		return 0, "", err
	}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.Close {
		c.connection.Close()
		err = c.connect()
	}
	return response.StatusCode, string(answer), err
}

// write sends PUTs until the time is up; those before `from` are not counted.
func (c *client) write(from, until time.Time) error {
	for number := 0; time.Now().Before(until); number++ {
		key := fmt.Sprintf("load-%d-%d", c.number, number%keysPerClient)
		value := fmt.Sprintf("%-*d", valueBytes, number)
		begun := time.Now()
		status, _, err := c.request(http.MethodPut, key, value)
		switch {
		case err != nil:
			return err
		case status == http.StatusOK:
			c.last[key] = value
			if begun.After(from) {
				c.latencies = append(c.latencies, time.Since(begun))
			}
		case status == http.StatusServiceUnavailable:
			// It may happen later, so that nothing is known of this key.
			delete(c.last, key)
			c.refused++
		default:
			return fmt.Errorf("PUT %s: status %d", key, status)
		}
	}
	return nil
}

func (c *client) check() error {
	for key, value := range c.last {
		status, answer, err := c.request(http.MethodGet, key, "")
		if err != nil {
			return err
		}
		if status != http.StatusOK || answer != value {
			return fmt.Errorf("GET %s: status %d, not what was acknowledged", key, status)
		}
		return nil // One is enough: all were acknowledged in the same way.
	}
	return nil
}

func run() error {
	servers := flag.String("servers", "", "addresses, with commas between them")
	count := flag.Int("clients", 1, "connections")
	seconds := flag.Float64("seconds", 3, "measured time, after a tenth of it unmeasured")
	flag.Parse()
	if *servers == "" || *count < 1 || *seconds <= 0 {
		return errors.New("-servers, -clients and -seconds are needed")
	}
	addresses := strings.Split(*servers, ",")
	clients := make([]*client, *count)
	for i := range clients {
		clients[i] = &client{server: addresses[i%len(addresses)], number: i, last: map[string]string{}}
		if err := clients[i].connect(); err != nil {
			return err
		}
	}
	measured := time.Duration(*seconds * float64(time.Second))
	from := time.Now().Add(measured / 10)
	until := from.Add(measured)
	failures := make([]error, len(clients))
	each := func(part func(*client) error) error {
		var all sync.WaitGroup
		for i, c := range clients {
			all.Add(1)
			go func() {
				defer all.Done()
				failures[i] = part(c)
			}()
		}
		all.Wait()
		return errors.Join(failures...)
	}
	if err := each(func(c *client) error { return c.write(from, until) }); err != nil {
		return err
	}
	if err := each((*client).check); err != nil {
		return err
	}
	var latencies []time.Duration
	refused := 0
	for _, c := range clients {
		latencies = append(latencies, c.latencies...)
		refused += c.refused
		c.connection.Close()
	}
	if len(latencies) == 0 {
		return errors.New("nothing was acknowledged")
	}
	slices.Sort(latencies)
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"writes":            len(latencies),
		"refused":           refused,
		"writes_per_second": float64(len(latencies)) / measured.Seconds(),
		"p50_ms":            float64(latencies[len(latencies)/2].Microseconds()) / 1000,
		"p99_ms":            float64(latencies[len(latencies)*99/100].Microseconds()) / 1000,
	})
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "kvload:", err)
		os.Exit(1)
	}
}
