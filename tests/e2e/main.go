// Runs a cluster of the key-value servers of examples/kv as real processes, breaks whatever can break
// around them while clients read and write, and checks that nobody could tell: the history
// is linearizable, what was acknowledged is there, all members agree, and all of them serve again
// whenever nothing is wrong any more. README.md says what is done and how.
//
//	e2e -seconds 180 -seed 1 -servers cpp,go,python
//	e2e -wrong all          clusters that are wrong on purpose: each must be found out
//	e2e -check history.jsonl
//
// The exit code is 0 if everything was as it must be, 1 if not, 2 for bad flags, 130 after Ctrl-C.
// Nothing is left running, and no file on success.

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Options are the flags.
type Options struct {
	seconds int
	seed    uint64
	servers string
	nodes   int
	network string
	disk    string
	clients int
	keys    int
	thinkMs int
	only    string
	wrong   string
	check   string
	root    string
	keep    bool
	verbose bool

	programs []Program
	think    time.Duration
}

func main() {
	o, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(2)
	}
	if o.check != "" {
		os.Exit(checkFile(o.check))
	}
	code, err := start(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func parse(arguments []string) (*Options, error) {
	o := &Options{}
	flags := flag.NewFlagSet("e2e", flag.ExitOnError)
	flags.IntVar(&o.seconds, "seconds", 45, "how long faults go on")
	flags.Uint64Var(&o.seed, "seed", 1, "what is drawn: faults, targets, operations")
	flags.StringVar(&o.servers, "servers", "cpp,go,python", "the languages of the members, which are repeated as needed")
	flags.IntVar(&o.nodes, "nodes", 5, "how many members there are at first")
	flags.StringVar(&o.network, "network", "auto", "netns, proxy, or auto: netns where that is allowed")
	flags.StringVar(&o.disk, "disk", "auto", "real, memory (netns only; it can be filled), or auto: by the seed")
	flags.IntVar(&o.clients, "clients", 10, "how many clients there are")
	flags.IntVar(&o.keys, "keys", 5, "how many keys they share at a time")
	flags.IntVar(&o.thinkMs, "think", 10, "how many milliseconds a client waits between operations, on average")
	flags.StringVar(&o.only, "only", "", "only these kinds of faults, comma-separated")
	flags.StringVar(&o.wrong, "wrong", "", "run a cluster that is wrong on purpose: "+wrongNames()+", or all")
	flags.StringVar(&o.check, "check", "", "only check a history that was written before")
	flags.StringVar(&o.root, "root", "", "the root of the checkout (default: above this program, or above where it runs)")
	flags.BoolVar(&o.keep, "keep", false, "keep the directory of the run")
	flags.BoolVar(&o.verbose, "v", false, "print each fault")
	if err := flags.Parse(arguments); err != nil {
		return nil, err
	}
	o.think = time.Duration(o.thinkMs) * time.Millisecond
	switch {
	case flags.NArg() > 0:
		return nil, fmt.Errorf("%q is no flag", flags.Arg(0))
	case o.seconds < 1 || o.seconds > 86400:
		return nil, errors.New("-seconds must be 1 to 86400")
	case o.nodes < 3 || o.nodes > 9:
		return nil, errors.New("-nodes must be 3 to 9")
	case o.clients < 1 || o.clients > 200 || o.keys < 1 || o.keys > 1000:
		return nil, errors.New("-clients must be 1 to 200, and -keys 1 to 1000")
	case o.thinkMs < 0 || o.thinkMs > 10000:
		return nil, errors.New("-think must be 0 to 10000")
	case o.network != "auto" && o.network != "netns" && o.network != "proxy":
		return nil, fmt.Errorf("-network: %q is none of auto, netns, proxy", o.network)
	case o.disk != "auto" && o.disk != "real" && o.disk != "memory":
		return nil, fmt.Errorf("-disk: %q is none of auto, real, memory", o.disk)
	case o.disk == "memory" && o.network == "proxy":
		return nil, errors.New("-disk memory needs -network netns")
	case o.wrong != "" && o.wrong != "all" && !strings.Contains(", "+wrongNames()+",", ", "+o.wrong+","):
		return nil, fmt.Errorf("-wrong: %q is none of %s, all", o.wrong, wrongNames())
	case len(o.unknownFaults()) > 0:
		return nil, fmt.Errorf("-only: there is no fault %q", o.unknownFaults()[0])
	case o.check != "":
		return o, nil
	}
	if o.root == "" {
		if o.root = findRoot(); o.root == "" {
			return nil, errors.New("there is no checkout around here: -root")
		}
	}
	var err error
	o.programs, err = findPrograms(o.root, o.servers)
	return o, err
}

func wrongNames() string {
	var all []string
	for _, w := range wrongs {
		all = append(all, w.Name)
	}
	return strings.Join(all, ", ")
}

// wants says whether faults of a kind are asked for.
func (o *Options) wants(name string) bool {
	return o.only == "" || slices.Contains(strings.Split(o.only, ","), name)
}

// unknownFaults are kinds that were asked for and don't exist.
func (o *Options) unknownFaults() []string {
	if o.only == "" {
		return nil
	}
	all := slices.Concat(networkFaults, processFaults, diskFaults, memberFaults)
	return slices.DeleteFunc(strings.Split(o.only, ","), func(name string) bool {
		return slices.ContainsFunc(all, func(f Fault) bool { return f.Name == name })
	})
}

// findRoot goes up from where this runs, and from where this program lies.
func findRoot() string {
	program, _ := os.Executable()
	here, _ := os.Getwd()
	for _, directory := range []string{here, filepath.Dir(program)} {
		for ; directory != "/" && directory != "."; directory = filepath.Dir(directory) {
			if _, err := os.Stat(filepath.Join(directory, "examples", "kv", "README.md")); err == nil {
				return directory
			}
		}
	}
	return ""
}

// start takes the program to where it works, inside a sandbox if there can be one, and lets it work.
func start(o *Options) (int, error) {
	if o.network != "proxy" && !inside() {
		code, err := runInside()
		if !errors.Is(err, errRefused) || o.network == "netns" {
			return code, err
		}
		fmt.Printf("%v; -network proxy instead, and no disk that can be full\n", err)
	}
	if inside() {
		if err := prepareInside(); err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err)
			return refusedCode, nil
		}
	}
	links := newLinks(o.seed)
	machines := o.nodes + spareMachines
	var network Network
	var err error
	if inside() {
		if network, err = newTunNetwork(machines, links); err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err)
			return refusedCode, nil
		}
	} else if network, err = newProxyNetwork(machines, links); err != nil {
		return 1, err
	}
	defer network.Close()

	parent := filepath.Join(o.root, "build", "e2e")
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return 1, err
	}
	directory, err := os.MkdirTemp(parent, fmt.Sprintf("seed-%d-", o.seed))
	if err != nil {
		return 1, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	disks := inside() && (o.disk == "memory" || o.disk == "auto" && o.seed%2 == 1)
	cluster, err := newCluster(network, o.programs, directory, o.seed, machines, disks)
	if err != nil {
		return 1, err
	}
	defer cluster.close()

	var verdict *Verdict
	if o.wrong != "" {
		verdict, err = proveWrong(ctx, o, cluster)
	} else {
		verdict, err = run(ctx, o, cluster, links)
	}
	if err != nil && ctx.Err() != nil {
		verdict.interrupted = true
	} else if err != nil {
		return 1, fmt.Errorf("%w; the logs are in %s", err, directory)
	}
	code := verdict.print(o, network.Name())
	cluster.shutDown()
	if code != 1 && !o.keep {
		cluster.unmount()
		return code, os.RemoveAll(directory)
	}
	fmt.Printf("logs, history and data are in %s\n", directory)
	return code, nil
}

// spareMachines are those that have no member at first.
const spareMachines = 2

// repeat is the line that runs this again.
func (o *Options) repeat(network string) string {
	flags := []string{
		"-seconds", strconv.Itoa(o.seconds), "-seed", strconv.FormatUint(o.seed, 10), "-servers", o.servers,
		"-nodes", strconv.Itoa(o.nodes), "-network", network, "-disk", o.disk,
		"-clients", strconv.Itoa(o.clients), "-keys", strconv.Itoa(o.keys), "-think", strconv.Itoa(o.thinkMs),
	}
	if o.only != "" {
		flags = append(flags, "-only", o.only)
	}
	if o.wrong != "" {
		flags = append(flags, "-wrong", o.wrong)
	}
	return fmt.Sprintf(`make e2e E2E="%s"`, strings.Join(flags, " "))
}
