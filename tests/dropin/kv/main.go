// Command kv is a small replicated key-value store, written for go.etcd.io/raft: each node has a
// write-ahead log and snapshot files in a directory, talks to its peers over HTTP, and serves
//
//	GET /keys/KEY      the value, after a linearizable read
//	PUT /keys/KEY      sets it to the body, and answers when that is applied here
//	POST /members/ID   adds a member, whose URL is the body
//	DELETE /members/ID removes one
//
// What it is for: node.go imports the raft package by one line. The same program runs on
// libraft.dev/go/raft when that line is changed, or when the module is replaced.
package main

import (
	"flag"
	"log"
	"net"
	"os"
	"os/signal"
	"strings"
)

func main() {
	id := flag.Uint64("id", 0, "this node's id")
	dir := flag.String("dir", "", "where its files are")
	listen := flag.String("listen", "127.0.0.1:0", "the address to serve at")
	cluster := flag.String("cluster", "", "URLs of the first members, separated by commas; the first one has id 1")
	join := flag.Bool("join", false, "join an existing cluster instead of beginning one")
	flag.Parse()
	if *id == 0 || *dir == "" {
		flag.Usage()
		os.Exit(2)
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	peers := map[uint64]string{}
	for i, url := range strings.Split(*cluster, ",") {
		peers[uint64(i+1)] = url
	}
	server, err := Serve(Options{ID: *id, Dir: *dir, Listener: listener, Peers: peers, Join: *join})
	if err != nil {
		log.Fatal(err)
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	<-interrupted
	server.Close()
}
