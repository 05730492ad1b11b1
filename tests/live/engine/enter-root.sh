#!/bin/sh
# Runs a command of another Debian release: enter-root.sh FOLDER COMMAND...
#
# In a mount namespace of its own (unshare --mount --propagation slave), /usr and the few things of /etc that belong to
# it come from FOLDER; everything else stays this machine's: bind mounts of any path, /etc/docker/certs.d, the sockets
# below /run, and file systems that are mounted later.
set -eu
root=$1
shift
mount --bind "$root/etc/alternatives" /etc/alternatives
mount --bind "$root/etc/ld.so.cache" /etc/ld.so.cache
# Last: from here on, this machine's own programs are out of sight.
mount --rbind "$root/usr" /usr
exec "$@"
