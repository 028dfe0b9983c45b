/** keepalived.conf of one twin, from its tmr.toml: a pure function, compared with the examples in deploy/keepalived. */
import type { VirtualIpConfig } from "../config/index.js";

/** What the text is made of. */
export interface KeepalivedOptions {
  /** the server's name in system.toml */
  readonly name: string;
  readonly twin: 0 | 1;
  readonly virtualIp: VirtualIpConfig;
}

/**
 * Twin 0 wins where both hold the address, which nothing but a split network brings about. Both are high, because a
 * backup waits a little longer the lower its priority is; 255 would be an owner that always takes the address.
 */
const priorities = [250, 240] as const;

/** The text of keepalived.conf. */
export function keepalivedConf({ name, twin, virtualIp }: KeepalivedOptions): string {
  const { address, advertMs, interface: device, notifyFifo, peer, routerId, source, trackFile } = virtualIp;
  return `# keepalived.conf of ${name}, made by \`tmr keepalived\`. Change tmr.toml and make it again.
global_defs {
    router_id ${name.replaceAll(/[^\w.-]/g, "-")}
    vrrp_version 3
    # Adverts every ${advertMs} ms need a process that runs in time. Without the limit it would be killed in the very moment in
    # which it becomes master.
    vrrp_rt_priority 50
    vrrp_rlimit_rttime 1000000
    # VRRP 3 has no authentication: adverts count only from the other twin's address.
    vrrp_check_unicast_src
    # Where the TMR server reads what became of the address.
    vrrp_notify_fifo ${notifyFifo}
    vrrp_garp_master_delay 1
    vrrp_garp_master_refresh 10
}

# Written by the TMR server: 0 while it answers and is not fenced. Anything else gives the address away at once.
track_file serving {
    file "${trackFile}"
    weight 0
    init_file 1
}

vrrp_instance tmr {
    # Nobody is preferred: the address stays where it is until that server cannot hold it.
    state BACKUP
    nopreempt
    interface ${device}
    virtual_router_id ${routerId}
    priority ${priorities[twin]}
    advert_int ${advertMs / 1_000}
    unicast_src_ip ${source}
    unicast_peer {
        ${peer}
    }
    virtual_ipaddress {
        ${address} dev ${device}
    }
    track_file {
        serving
    }
}
`;
}

/** The systemd drop-ins that belong to it, by unit. */
export const dropIns = { keepalived: keepalivedDropIn, "tmr-server": serverDropIn } as const;

function keepalivedDropIn({ address, interface: device, notifyFifo, trackFile }: VirtualIpConfig): string {
  return `# /etc/systemd/system/keepalived.service.d/tmr.conf, made by \`tmr keepalived --unit keepalived\`.
[Unit]
After=tmr-server.service

[Service]
Restart=always
RestartSec=1
# The TMR server makes both. Without them keepalived would start all the same, and hold the address whatever the server says.
ExecStartPre=/usr/bin/test -f ${trackFile}
ExecStartPre=/usr/bin/test -p ${notifyFifo}
# A keepalived that was killed leaves the address behind: two machines would have it.
ExecStopPost=-/sbin/ip address del ${address} dev ${device}
`;
}

function serverDropIn({ trackFile }: VirtualIpConfig): string {
  return `# /etc/systemd/system/tmr-server.service.d/virtual-ip.conf, made by \`tmr keepalived --unit tmr-server\`.
[Service]
# Should the process that writes the tracked file be killed with its server.
ExecStopPost=/bin/sh -c 'echo 1 > ${trackFile}.new && mv ${trackFile}.new ${trackFile}'
# keepalived takes a file that is gone for a good one.
RuntimeDirectoryPreserve=yes
`;
}
