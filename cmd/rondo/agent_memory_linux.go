package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// forgetProgram takes the pages of the program's code and constants out of
// this process. What is needed comes back from the page cache; what only the
// start has needed, which is most, does not. The agent is a small part of a large
// program. Pages that were written to would be lost, so a mapping that may be
// written to, or ever was, is left alone.
func forgetProgram() error {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return err
	}
	defer f.Close()
	var from, to uint64 // of the mapping whose lines are read
	for in := bufio.NewScanner(f); in.Scan(); {
		line := in.Text()
		var a, b uint64
		var rights string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &a, &b, &rights); n == 3 {
			from, to = 0, 0
			if strings.HasSuffix(line, " "+exe) && (rights == "r-xp" || rights == "r--p") {
				from, to = a, b
			}
		}
		var anonymous uint64
		if n, _ := fmt.Sscanf(line, "Anonymous: %d kB", &anonymous); n != 1 || anonymous > 0 || to == 0 {
			continue
		}
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, uintptr(from), uintptr(to-from), unix.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("madvise: %w", errno)
		}
	}
	return nil
}
