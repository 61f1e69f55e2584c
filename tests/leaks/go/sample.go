// What the process holds at one moment: the library's memory, Go's, and the rest.

package main

import (
	"fmt"
	"log"
	"os"
	"runtime"
	"time"
)

// #include <malloc.h>
//
// static size_t in_use(void)
// {
//     struct mallinfo2 heap = mallinfo2();
//     return heap.uordblks + heap.hblkhd;
// }
import "C"

// What the process had at the beginning.
var descriptors, goroutines = count("/proc/self/fd"), runtime.NumGoroutine()

// sample prints a line. Objects that are left to the garbage collector are freed some time after a
// collection, by goroutines of the runtime that can't be asked: it collects until the process is
// back at as many descriptors and goroutines as in the beginning and its memory has stopped
// shrinking, and in any case no more often than patience allows.
func sample(phase string, done int) {
	patience, calm := 3000, 30
	if forgotten != "" {
		patience /= 10
	}
	var memory runtime.MemStats
	least, since := int64(-1), 0
	for round := 0; round < patience && since < calm; round++ {
		runtime.GC()
		runtime.ReadMemStats(&memory)
		now := int64(C.in_use()) + int64(memory.HeapAlloc)
		switch {
		case least < 0 || now < least:
			least, since = now, 0
		case count("/proc/self/fd") <= descriptors && runtime.NumGoroutine() <= goroutines:
			since++
		}
		time.Sleep(time.Millisecond)
	}
	fmt.Printf("sample %s done=%d bytes=%d go_bytes=%d go_objects=%d rss_kib=%d descriptors=%d goroutines=%d\n",
		phase, done, int64(C.in_use()), memory.HeapAlloc, memory.HeapObjects, residentKiB(),
		count("/proc/self/fd"), runtime.NumGoroutine())
}

func residentKiB() int {
	text, err := os.ReadFile("/proc/self/statm")
	must(err)
	var size, resident int
	_, err = fmt.Sscan(string(text), &size, &resident)
	must(err)
	return resident * os.Getpagesize() / 1024
}

func count(directory string) int {
	entries, err := os.ReadDir(directory)
	must(err)
	return len(entries)
}

func must(err error) {
	if err != nil {
		log.Panic(err)
	}
}
