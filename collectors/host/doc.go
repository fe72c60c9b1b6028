// Package host measures the machine that it runs on, from Linux's /proc:
//
//	load1 load5 load15        load averages
//	run_queue                 processes that run or wait for a CPU, but for ourselves
//	cpu_user_percent          of all CPUs together, since the last reading; nice included
//	cpu_system_percent        kernel and interrupts
//	cpu_iowait_percent        idle while something waits for a disk
//	cpu_steal_percent         taken by the hypervisor
//	cpu_free_percent          free to compute: idle and iowait; user+system+steal+free = 100
//	mem_used_percent          what is not available without swapping
//	mem_available_bytes
//	swap_used_bytes
//	disk_used_percent{mount}  as df has it: of what users may use
//	disk_read_bytes{device}   counters, whole disks
//	disk_written_bytes{device}
//	net_received_bytes{device}  counters, without loopback and the ends of containers
//	net_sent_bytes{device}
//	uptime_seconds
//	processes
//
// All carry the label host. What a kernel or a container does not show is left
// out, and the rest is sent.
package host
