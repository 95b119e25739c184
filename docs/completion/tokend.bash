# SPDX-License-Identifier: MIT OR Apache-2.0
# shellcheck shell=bash
# Completion of tokend's command line in bash. Needs no other file; bash-completion finds it by its
# name, and `source` will do.

# The names of the applications of the running daemon, on the bus that the line names. A watch starts
# no daemon that somebody has stopped.
_tokend_applications() {
    local -a limit=()
    # One that hangs must not hang the shell.
    ! type -P timeout >/dev/null || limit=(timeout 2)
    "${limit[@]}" "$1" status --watch --json "${@:2}" 2>/dev/null </dev/null | head -n 1 |
        grep -o '"id":"[A-Za-z0-9_]*"' | cut -d '"' -f 4
}

_tokend() {
    local line=${COMP_LINE:0:COMP_POINT} word current='' previous='' command='' id='' takes='' option
    local -a words bus=()
    local IFS=$' \t\n'
    read -ra words <<<"$line"
    [[ $line != *[[:space:]] ]] || words+=('')
    current=${words[-1]}
    COMPREPLY=()

    # What stands before the word at the cursor: the command, its application, the bus.
    for word in "${words[@]:1:${#words[@]}-2}"; do
        case $previous:$word in
            --bus:*) bus=(--bus "$word") previous='' ; continue ;;
            --config:* | --from:* | --state:* | --root:*) previous='' ; continue ;;
            *:--bus=*) bus=("$word") ;;
            *:-*) ;;
            *) if [[ -z $command ]]; then command=$word; else id=$word; fi ;;
        esac
        previous=$word
    done

    # A value, behind its option or behind the `=` of it, where bash takes it for a word.
    case $current in
        --*=*) option=${current%%=*} current=${current#*=} ;;
        *) option=$previous ;;
    esac
    case $option in
        --config | --from | --state | --root)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -d -- "$current")
            return
            ;;
        --bus)
            mapfile -t COMPREPLY < <(compgen -W 'system session unix:path=' -- "$current")
            [[ ${COMPREPLY[*]} != unix:* ]] || compopt -o nospace 2>/dev/null
            # bash replaces only what follows the last colon.
            [[ $current != *:* ]] || COMPREPLY=("${COMPREPLY[@]#"${current%:*}:"}")
            return
            ;;
    esac

    case $command in
        '') takes='--help --version' ;;
        run) takes='--config --state --root --bus' ;;
        check) takes='--config --state --root --json --strict' ;;
        diagnose) takes='--config --state --root --bus --json' ;;
        status) takes='--bus --json --watch' ;;
        token | headers | reload) takes='--bus' ;;
        device-info) takes='--config --state --root --bus --id --json' ;;
        forget) takes='--yes --bus' ;;
        reseal) takes='--from --config --state' ;;
        *) return ;;
    esac
    if [[ $current == -* ]]; then
        for option in $takes; do
            # None twice.
            [[ " ${words[*]:1:${#words[@]}-2} " == *" $option"[\ =]* ]] || COMPREPLY+=("$option")
        done
        mapfile -t COMPREPLY < <(compgen -W "${COMPREPLY[*]}" -- "$current")
        return
    fi
    case $command in
        '') word='run check status token headers device-info diagnose reload forget reseal' ;;
        status | token | headers | forget)
            [[ -z $id ]] || return
            word=$(_tokend_applications "${words[0]}" "${bus[@]}")
            ;;
        *) return ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$word" -- "$current")
}

complete -F _tokend tokend
