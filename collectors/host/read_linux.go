package host

import (
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
	"github.com/prometheus/procfs/blockdevice"
)

// maxMounts and maxDevices bound the series of one host.
const (
	maxMounts  = 64
	maxDevices = 64
)

// A reading is what /proc told at one time. Parts that it did not tell are nil.
type reading struct {
	at        time.Time
	load      *procfs.LoadAvg
	stat      *procfs.Stat
	mem       *procfs.Meminfo
	disks     []blockdevice.Diskstats
	nets      procfs.NetDev
	mounts    []usage
	processes int
}

// usage is how full a file system is.
type usage struct {
	mount   string
	percent float64
}

// A source reads a proc file system.
type source struct {
	dir   string
	proc  procfs.FS
	block blockdevice.FS
	usage func(mount string) (percent float64, ok bool)
}

func newSource(dir string) (source, error) {
	proc, err := procfs.NewFS(dir)
	if err != nil {
		return source{}, err
	}
	// Only proc is read, but blockdevice wants a sys directory too.
	block, err := blockdevice.NewFS(dir, dir)
	if err != nil {
		return source{}, err
	}
	return source{dir: dir, proc: proc, block: block, usage: diskUsage}, nil
}

// read reads all that can be read. The error joins what cannot.
func (s source) read(now time.Time) (reading, error) {
	r := reading{at: now}
	var errs [7]error
	r.load, errs[0] = s.proc.LoadAvg()
	if stat, err := s.proc.Stat(); err == nil {
		r.stat = &stat
	} else {
		errs[1] = err
	}
	if mem, err := s.proc.Meminfo(); err == nil {
		r.mem = &mem
	} else {
		errs[2] = err
	}
	r.disks, errs[3] = s.block.ProcDiskstats()
	r.nets, errs[4] = s.proc.NetDev()
	r.mounts, errs[5] = s.readMounts()
	r.processes, errs[6] = s.countProcesses()
	return r, errors.Join(errs[:]...)
}

// onDisk are the file systems whose filling up hurts, and whose asking never
// hangs as that of network file systems does.
func onDisk(fsType, mount string) bool {
	switch fsType {
	case "ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "jfs", "reiserfs", "bcachefs", "vfat", "exfat", "ntfs3":
		return true
	case "overlay":
		return mount == "/" // a container's
	}
	return false
}

// readMounts asks each file system once, under its shortest mount point.
func (s source) readMounts() ([]usage, error) {
	mounts, err := s.proc.GetMounts()
	if err != nil {
		return nil, err
	}
	slices.SortFunc(mounts, func(a, b *procfs.MountInfo) int {
		if d := len(a.MountPoint) - len(b.MountPoint); d != 0 {
			return d
		}
		return strings.Compare(a.MountPoint, b.MountPoint)
	})
	var all []usage
	seen := make(map[string]bool)
	for _, m := range mounts {
		if !onDisk(m.FSType, m.MountPoint) || seen[m.Source] || len(all) == maxMounts {
			continue
		}
		if percent, ok := s.usage(m.MountPoint); ok {
			seen[m.Source] = true
			all = append(all, usage{m.MountPoint, percent})
		}
	}
	return all, nil
}

// diskUsage is df's: root's reserve does not count.
func diskUsage(mount string) (percent float64, ok bool) {
	// Containers have single files mounted.
	if info, err := os.Stat(mount); err != nil || !info.IsDir() {
		return 0, false
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(mount, &st); err != nil || st.Blocks == 0 {
		return 0, false
	}
	used := float64(st.Blocks - st.Bfree)
	return 100 * used / (used + float64(st.Bavail)), true
}

func (s source) countProcesses() (int, error) {
	dir, err := os.Open(s.dir)
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	n := 0
	for _, name := range names {
		if name[0] >= '0' && name[0] <= '9' {
			n++
		}
	}
	return n, err
}
