// The suite of fixed size, and tests of the tool itself.

package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRandomScripts plays scripts of many seeds. What is printed for a difference can be put into
// a file and played again.
func TestRandomScripts(t *testing.T) {
	const seedsEach, length = 50, 2000
	for first := uint64(1); first <= 20*seedsEach; first += seedsEach {
		t.Run(fmt.Sprintf("seeds %d to %d", first, first+seedsEach-1), func(t *testing.T) {
			for seed := first; seed < first+seedsEach; seed++ {
				_, s, found := playSeed(seed, length)
				if found == nil {
					continue
				}
				short, shortFound := shrink(s, found, 20*time.Second)
				var text bytes.Buffer
				short.print(&text)
				t.Fatalf("seed %d: %v\n%v\n%s", seed, found, shortFound, &text)
			}
		})
	}
}

// TestSavedScripts plays what once showed a difference.
func TestSavedScripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			var out bytes.Buffer
			if code := playFile(path, &out); code != 0 {
				t.Fatal(out.String())
			}
		})
	}
}

func TestWhatIsPrintedCanBeParsed(t *testing.T) {
	for seed := uint64(1); seed <= 50; seed++ {
		_, s, _ := playSeed(seed, 300)
		var first, second bytes.Buffer
		s.print(&first)
		parsed, err := parseScript(bytes.NewReader(first.Bytes()))
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		parsed.print(&second)
		if first.String() != second.String() {
			t.Fatalf("seed %d: %s\nbecomes\n%s", seed, &first, &second)
		}
	}
}

func TestWhatIsNoScriptIsRefusedWithItsLine(t *testing.T) {
	for text, want := range map[string]string{
		"":                                         "begins with",
		"bootstrap 1":                              "begins with",
		"bootstrap 2\nnode 1":                      "no node 2",
		"bootstrap 1\nnode 2":                      "line 2: expected node 1",
		"bootstrap 1\nnode 1 fast":                 "line 2: no such setting",
		"bootstrap 1\nnode 1\njump 1":              "line 3",
		"bootstrap 1\nnode 1\ntick":                "line 3",
		"bootstrap 1\nnode 1\ntick x":              "line 3",
		"bootstrap 1\nnode 1\nchange 1 v3 +1":      "line 3",
		"bootstrap 1\nnode 1\nchange 1 v2 soon +1": "line 3",
		"bootstrap 1\nnode 1\nchange 1 v1 *1":      "line 3",
	} {
		_, err := parseScript(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestAnyPartOfAScriptIsAScript is what shrinking relies on.
func TestAnyPartOfAScriptIsAScript(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for seed := uint64(1); seed <= 60; seed++ {
		_, s, _ := playSeed(seed, 1000)
		part := &script{cluster: s.cluster}
		for _, in := range s.inputs {
			if random.IntN(3) > 0 {
				part.inputs = append(part.inputs, in)
			}
		}
		if _, played, found := part.outcome(); found != nil {
			t.Fatalf("seed %d, %q: %v", seed, part.line(played-1), found)
		}
	}
}

// TestADifferenceIsFoundAndMadeShort gives our nodes another setting than theirs.
func TestADifferenceIsFoundAndMadeShort(t *testing.T) {
	_, s, _ := playSeed(3, 1000)
	for i := range s.cluster.nodes {
		s.cluster.nodes[i].sabotaged = true
	}
	_, _, found := s.outcome()
	if found == nil {
		t.Fatal("no difference between pre-vote on and off")
	}
	short, shortFound := shrink(s, found, time.Minute)
	if shortFound == nil || shortFound.what != found.what {
		t.Fatalf("%v instead of %v", shortFound, found)
	}
	if len(short.inputs) > 20 {
		var text bytes.Buffer
		short.print(&text)
		t.Fatalf("%v\n%s", shortFound, &text)
	}
}

func TestAScriptIsPlayedTheSameAgain(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		first, s, _ := playSeed(seed, 500)
		second, _, found := s.outcome()
		if found != nil || first.calls != second.calls || first.committed != second.committed {
			t.Fatalf("seed %d: %v", seed, found)
		}
	}
}

// TestPlayFileSaysWhatItDid covers the exit codes of SCRIPT=file.
func TestPlayFileSaysWhatItDid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "script")
	for text, want := range map[string]int{
		"bootstrap 1\nnode 1\ntick 1 1\n": 0,
		"bootstrap 1\n":                   2,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if code := playFile(path, &out); code != want {
			t.Errorf("%q: exit code %d: %s", text, code, &out)
		}
	}
}
