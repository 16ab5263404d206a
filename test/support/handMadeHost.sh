#!/bin/bash
# Usage: hand-made-host verbatim|mended
# Makes a blank lab host one that its owner set up by hand, by commands from notes. verbatim: as written, with volumes
# beyond the disk's size and options that don't mount, going on after each failure. mended: as a patient operator would
# have left it, everything fits and is mounted. It destroys what is on the disks.
set -u
how=$1
data=defaults,noatime,data=writeback logs=logbufs=8,logbsize=256k
nfs=rw,hard,intr,rsize=1048576,wsize=1048576,timeo=600,retrans=2,_netdev
if [[ $how == mended ]]; then
  set -e
  docker=300G backup=150G without_journal=() without_either=() barrier='' nobarrier=''
else
  docker=500G backup=350G without_journal=(-O '^has_journal,extent,flex_bg,sparse_super2') nobarrier=,nobarrier
  without_either=(-O '^has_journal,extent,flex_bg') barrier=,barrier=0
fi
pvcreate --quiet --dataalignment 4m /dev/nvme0n1
vgcreate --quiet --physicalextentsize 4m vg_jts /dev/nvme0n1
for volume in 800G:postgres 1500G:clickhouse 600G:kafka 200G:mongodb 50G:redis $docker:docker $backup:local_backup; do
  lvcreate --quiet --yes --size "${volume%:*}" --name "lv_${volume#*:}" vg_jts
done
ext4=(mkfs.ext4 -q -F -E 'lazy_itable_init=0,lazy_journal_init=0,discard')
"${ext4[@]}" "${without_journal[@]}" /dev/vg_jts/lv_postgres
"${ext4[@]}" -O extent,flex_bg,sparse_super2 /dev/vg_jts/lv_clickhouse
mkfs.xfs -q -f -d agcount=32,su=64k,sw=1 -l size=128m,su=64k /dev/vg_jts/lv_kafka
for name in mongodb docker local_backup; do "${ext4[@]}" /dev/vg_jts/lv_$name; done
"${ext4[@]}" "${without_either[@]}" /dev/vg_jts/lv_redis
mkfs.btrfs -q -f -L jts-warm-storage /dev/sda2 && udevadm trigger --action=change --settle /dev/sda2
mkdir --parents /var/lib/{postgresql,clickhouse,kafka,mongodb,redis,docker-jts} \
  /data/local-backup /data/warm-storage /mnt/synology
for user in postgres:postgresql clickhouse:clickhouse kafka:kafka mongodb:mongodb redis:redis; do
  id "${user%:*}" &>/dev/null || useradd --system --shell /bin/false --home-dir "/var/lib/${user#*:}" "${user%:*}"
done
getent group docker >/dev/null || groupadd --system docker
cat >>/etc/fstab <<END
/dev/sda2 /data/warm-storage btrfs defaults,compress=zstd:3,autodefrag,noatime 0 2

# NAS - Optimized NFS mount for bulk data operations
192.168.1.101:/volume1/cocodev /mnt/synology nfs $nfs 0 0

# High-Performance Storage Configuration
/dev/vg_jts/lv_postgres   /var/lib/postgresql  ext4  $data$barrier,commit=30  0 2
/dev/vg_jts/lv_clickhouse /var/lib/clickhouse  ext4  defaults,noatime,data=ordered,commit=5  0 2
/dev/vg_jts/lv_kafka      /var/lib/kafka       xfs   defaults,noatime$nobarrier,$logs,largeio,swalloc  0 2
/dev/vg_jts/lv_mongodb    /var/lib/mongodb     ext4  defaults,noatime,commit=10  0 2
/dev/vg_jts/lv_redis      /var/lib/redis       ext4  $data$barrier  0 2
/dev/vg_jts/lv_local_backup /data/local-backup  ext4  defaults,nodev,nosuid  0 2
/dev/vg_jts/lv_docker     /var/lib/docker-jts  ext4  defaults,noatime  0 2
END
systemctl daemon-reload
mount --all || true
mkdir --parents /data/warm-storage/{daily-backups,logs,temp-processing} \
  /mnt/synology/jts/{archives/{database,configs,strategies},market-data/{raw,processed,indicators}} \
  /mnt/synology/jts/{backtesting/{datasets,results,reports},models/{training,models,validation}} \
  /mnt/synology/jts/development/{datasets,notebooks,experiments}
for user in postgres:postgresql clickhouse:clickhouse kafka:kafka mongodb:mongodb redis:redis; do
  chown "${user%:*}:${user%:*}" "/var/lib/${user#*:}"
done
chown root:docker /var/lib/docker-jts
chown root:backup /data/local-backup
chmod 750 /var/lib/{postgresql,clickhouse,kafka,mongodb,redis,docker-jts}
chmod 755 /data/local-backup /data/warm-storage
cat >/etc/udev/rules.d/60-ssd-scheduler.rules <<'END'
ACTION=="add|change", KERNEL=="nvme0n1", ATTR{queue/scheduler}="none"
ACTION=="add|change", KERNEL=="nvme0n1", ATTR{queue/discard_max_bytes}!="0", RUN+="/sbin/fstrim -v /"
END
for name in fstrim-all:weekly tiered-storage:daily; do
  unit=/etc/systemd/system/${name%:*}
  printf '[Unit]\nDescription=%s\n[Service]\nType=oneshot\nExecStart=/bin/bash -c "exit 0"\n' "${name%:*}" \
    >"$unit.service"
  printf '[Unit]\nDescription=%s\n[Timer]\nOnCalendar=%s\nPersistent=true\n[Install]\nWantedBy=timers.target\n' \
    "${name%:*}" "${name#*:}" >"$unit.timer"
done
systemctl daemon-reload
systemctl enable --quiet --now fstrim-all.timer tiered-storage.timer
printf 'net.core.%s\n' 'rmem_default = 262144' 'rmem_max = 16777216' 'wmem_default = 262144' 'wmem_max = 16777216' \
  >>/etc/sysctl.conf
sysctl --quiet --load=/etc/sysctl.conf || true
for name in postgresql clickhouse kafka mongodb redis; do echo "precious $name" >"/var/lib/$name/precious"; done
echo precious >/data/warm-storage/daily-backups/precious
