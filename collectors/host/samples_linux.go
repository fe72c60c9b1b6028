package host

import (
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/procfs"

	"rondo/rrd"
)

// sectorSize is what diskstats counts in, whatever the disk's own sectors.
const sectorSize = 512

// A builder makes the samples of one reading.
type builder struct {
	dst  []rrd.Sample
	host string
	at   rrd.Time
}

func (b *builder) add(name string, v float64, t rrd.Type, labels ...rrd.Label) {
	key, err := rrd.NewKey(name, append(labels, rrd.Label{Name: "host", Value: b.host})...)
	if err != nil {
		return // a mount point that is no UTF-8 names no series
	}
	b.dst = append(b.dst, rrd.Sample{Key: key, Time: b.at, Value: v, Type: t})
}

func (b *builder) gauge(name string, v float64) { b.add(name, v, rrd.Gauge) }

func (b *builder) counter(name string, v uint64, device string) {
	b.add(name, float64(v), rrd.Counter, rrd.Label{Name: "device", Value: device})
}

// appendSamples appends what now tells. last is the reading before, empty at
// first.
func appendSamples(dst []rrd.Sample, host string, last, now *reading) []rrd.Sample {
	b := &builder{dst: dst, host: host, at: rrd.At(now.at)}
	if l := now.load; l != nil {
		b.gauge("load1", l.Load1)
		b.gauge("load5", l.Load5)
		b.gauge("load15", l.Load15)
	}
	b.stat(last.stat, now)
	if now.mem != nil {
		b.memory(now.mem)
	}
	for _, u := range now.mounts {
		b.add("disk_used_percent", u.percent, rrd.Gauge, rrd.Label{Name: "mount", Value: u.mount})
	}
	b.devices(now)
	if now.processes > 0 {
		b.gauge("processes", float64(now.processes))
	}
	return b.dst
}

func (b *builder) stat(last *procfs.Stat, now *reading) {
	if now.stat == nil {
		return
	}
	// The one that reads is running too.
	b.gauge("run_queue", float64(max(now.stat.ProcessesRunning, 1)-1))
	if boot := now.stat.BootTime; boot > 0 {
		b.gauge("uptime_seconds", float64(now.at.Unix()-int64(boot)))
	}
	if last != nil {
		b.cpu(last.CPUTotal, now.stat.CPUTotal)
	}
}

// cpu sends the shares of the time between two readings. Guests' time is
// contained in user and nice.
func (b *builder) cpu(from, to procfs.CPUStat) {
	user := to.User + to.Nice - from.User - from.Nice
	system := to.System + to.IRQ + to.SoftIRQ - from.System - from.IRQ - from.SoftIRQ
	iowait := max(to.Iowait-from.Iowait, 0) // the kernel lets it fall at times
	free := to.Idle - from.Idle + iowait
	steal := to.Steal - from.Steal
	total := user + system + free + steal
	if total <= 0 {
		return
	}
	b.gauge("cpu_user_percent", 100*user/total)
	b.gauge("cpu_system_percent", 100*system/total)
	b.gauge("cpu_iowait_percent", 100*iowait/total)
	b.gauge("cpu_steal_percent", 100*steal/total)
	b.gauge("cpu_free_percent", 100*free/total)
}

func (b *builder) memory(m *procfs.Meminfo) {
	if m.MemTotalBytes != nil && m.MemAvailableBytes != nil && *m.MemTotalBytes > 0 {
		total, available := float64(*m.MemTotalBytes), float64(*m.MemAvailableBytes)
		b.gauge("mem_used_percent", 100*(total-available)/total)
		b.gauge("mem_available_bytes", available)
	}
	if m.SwapTotalBytes != nil && m.SwapFreeBytes != nil {
		b.gauge("swap_used_bytes", float64(*m.SwapTotalBytes-*m.SwapFreeBytes))
	}
}

func (b *builder) devices(now *reading) {
	disks := 0
	for _, d := range now.disks {
		if !wholeDisk(d.DeviceName) || disks == maxDevices {
			continue
		}
		disks++
		b.counter("disk_read_bytes", d.ReadSectors*sectorSize, d.DeviceName)
		b.counter("disk_written_bytes", d.WriteSectors*sectorSize, d.DeviceName)
	}
	nets := 0
	for _, name := range slices.Sorted(maps.Keys(now.nets)) {
		if name == "lo" || strings.HasPrefix(name, "veth") || nets == maxDevices {
			continue
		}
		nets++
		n := now.nets[name]
		b.counter("net_received_bytes", n.RxBytes, name)
		b.counter("net_sent_bytes", n.TxBytes, name)
	}
}

// wholeDisk tells sda, nvme0n1, mmcblk0, xvda, vdb from their partitions and
// from what only maps to other devices.
func wholeDisk(name string) bool {
	if name == "" {
		return false
	}
	for _, p := range [...]string{"loop", "ram", "zram", "dm-", "md", "sr", "fd"} {
		if strings.HasPrefix(name, p) {
			return false
		}
	}
	if strings.HasPrefix(name, "nvme") || strings.HasPrefix(name, "mmcblk") {
		return !strings.Contains(name[4:], "p") // nvme0n1p2, mmcblk0p1
	}
	last := name[len(name)-1]
	return last < '0' || last > '9'
}
