// Seconds by which the wall clock of this program is off, read from the first eight bytes of the file that the variable
// CLOCK_OFFSET_FILE names. Added to the package time of a nats-server that tests use.

package time

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

var clockOffsetFile = mapClockOffsetFile()

func mapClockOffsetFile() *int64 {
	name, found := syscall.Getenv("CLOCK_OFFSET_FILE")
	if !found {
		return nil
	}
	file, err := syscall.Open(name, syscall.O_RDONLY, 0)
	if err != nil {
		panic("opening CLOCK_OFFSET_FILE: " + err.Error())
	}
	page, err := syscall.Mmap(file, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic("mapping CLOCK_OFFSET_FILE: " + err.Error())
	}
	return (*int64)(unsafe.Pointer(&page[0]))
}

func clockOffset() int64 {
	if clockOffsetFile == nil {
		return 0
	}
	return atomic.LoadInt64(clockOffsetFile)
}
