// A replicated key-value server on libraft, as examples/kv/README.md specifies it. To be read in
// this order: state.go, what is replicated; node.go, the raft loop; requests.go, what waits for it;
// peers.go, sending; http.go; and this file, which puts them together.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	pb "go.etcd.io/raft/v3/raftpb"
	"libraft.dev/go/raft"
)

// usageError is a fault in the flags.
type usageError struct{ error }

func main() {
	err := run(os.Args[1:])
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "kv:", err)
	if errors.As(err, &usageError{}) {
		os.Exit(2)
	}
	os.Exit(1)
}

type options struct {
	id                              uint64
	data, listen, peers, join, page string
	seed                            uint64
	voters                          map[uint64]string
}

func run(arguments []string) error {
	o, err := parse(arguments)
	if err != nil {
		return usageError{err}
	}
	// The port first: if it is taken, nothing has been touched.
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	storage, err := openStorage(o)
	if err != nil {
		return err
	}
	defer storage.Close()
	node, err := openNode(o.id, o.listen, o.seed, storage)
	if err != nil {
		return err
	}
	defer node.raft.Close()

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	failed := make(chan error, 1)
	go func() { failed <- node.Run() }()

	server := &http.Server{
		Handler:           &Handler{node: node, page: o.page},
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	fmt.Printf("kv: node %d (Go) serves http://%s/\n", o.id, o.listen)

	select {
	case err := <-failed:
		return err
	case <-signals:
	}
	// The node first, which answers all that wait; then there is nothing for the server to wait for.
	close(node.stop)
	err = <-failed
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = server.Shutdown(ctx)
	return err
}

func parse(arguments []string) (*options, error) {
	o := &options{}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var id string
	flags := flag.NewFlagSet("kv-go", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&id, "id", "", "this node's id")
	flags.StringVar(&o.data, "data", "", "the directory of its storage")
	flags.StringVar(&o.listen, "listen", "", "HOST:PORT to serve on")
	flags.StringVar(&o.peers, "peers", "", "1=HOST:PORT,2=..: the first members")
	flags.StringVar(&o.join, "join", "", "HOST:PORT of a member of the cluster to join")
	flags.StringVar(&o.page, "page",
		filepath.Join(filepath.Dir(program), "../examples/kv/web/index.html"), "the page to serve")
	flags.Uint64Var(&o.seed, "seed", 0, "seed of the election timeouts")
	if err := flags.Parse(arguments); errors.Is(err, flag.ErrHelp) {
		flags.SetOutput(os.Stdout)
		flags.PrintDefaults()
		os.Exit(0)
	} else if err != nil {
		return nil, err
	}
	var ok bool
	if o.id, ok = parseID(id); !ok {
		return nil, fmt.Errorf("--id must be 1 to %d", maxID)
	}
	switch {
	case flags.NArg() > 0:
		return nil, fmt.Errorf("%q is no flag", flags.Arg(0))
	case o.data == "":
		return nil, errors.New("--data is missing")
	case !isAddress(o.listen):
		return nil, errors.New("--listen must be HOST:PORT")
	case o.peers != "" && o.join != "":
		return nil, errors.New("only one of --peers and --join can be given")
	case o.join != "" && !isAddress(o.join):
		return nil, errors.New("--join must be HOST:PORT")
	case o.peers == "" && o.join == "" && isEmptyDirectory(o.data):
		return nil, errNoMembers
	case o.peers == "":
		return o, nil
	}
	o.voters = map[uint64]string{}
	for _, peer := range strings.Split(o.peers, ",") {
		text, address, _ := strings.Cut(peer, "=")
		id, ok := parseID(text)
		if !ok || !isAddress(address) {
			return nil, fmt.Errorf("--peers: %q is not ID=HOST:PORT", peer)
		}
		if _, twice := o.voters[id]; twice {
			return nil, fmt.Errorf("--peers: %d is there twice", id)
		}
		o.voters[id] = address
	}
	if _, ok := o.voters[o.id]; !ok {
		return nil, fmt.Errorf("--peers does not name this node, %d", o.id)
	}
	return o, nil
}

var errNoMembers = errors.New("one of --peers and --join must be given to a new node")

func isEmptyDirectory(path string) bool {
	entries, err := os.ReadDir(path)
	return errors.Is(err, os.ErrNotExist) || err == nil && len(entries) == 0
}

// openStorage opens the data, and gives a first member of a new cluster its beginning.
func openStorage(o *options) (*raft.DurableStorage, error) {
	storage, err := raft.OpenDurableStorage(o.data)
	if err != nil {
		return nil, err
	}
	fresh, err := storage.IsFresh()
	switch {
	case err != nil || !fresh:
	case o.voters != nil:
		// All of them begin with the same snapshot, of an entry 1 that nobody has. So one that joins
		// later can only be brought up by a snapshot, and gets the first members' addresses in it.
		state := newState()
		state.members = o.voters
		err = storage.Bootstrap(&pb.Snapshot{
			Data: state.encode(),
			Metadata: &pb.SnapshotMetadata{
				ConfState: &pb.ConfState{Voters: slices.Sorted(maps.Keys(o.voters))},
				Index:     new(uint64(1)),
				Term:      new(uint64(1)),
			},
		})
	case o.join != "":
		fmt.Fprintf(os.Stderr, "kv: waits to be added: curl -X PUT -d %s http://%s/members/%d\n",
			o.listen, o.join, o.id)
	default:
		err = usageError{errNoMembers}
	}
	if err != nil {
		_ = storage.Close()
		return nil, err
	}
	return storage, nil
}
