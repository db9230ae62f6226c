"""The settings of a VPN's tunnels."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from modules.vocabulary import Props, Reason

_WEAK = {"ikev1", "SHA1", "AES128", "AES128-GCM-16", 2, 5, 22, 23, 24}


def _some(choices: tuple[str | int, ...]) -> tuple[str | int, ...]:
    if not choices:
        raise ValueError("is empty; list at least one, or remove it")
    return choices


Encryption = Literal["AES128", "AES256", "AES128-GCM-16", "AES256-GCM-16"]
Integrity = Literal["SHA1", "SHA2-256", "SHA2-384", "SHA2-512"]
Phase1Group = Literal[2, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 35]
Phase2Group = Literal[2, 5, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 35, 36, 37]


class Phase1(Props):
    """The settings of phase 1, the IKE negotiation."""

    encryption: Annotated[tuple[Encryption, ...], AfterValidator(_some)] = ("AES256-GCM-16",)
    """Allowed ciphers."""
    integrity: Annotated[tuple[Integrity, ...], AfterValidator(_some)] = ("SHA2-384",)
    """Allowed hashes."""
    dh_groups: Annotated[tuple[Phase1Group, ...], AfterValidator(_some)] = (20,)
    """Allowed Diffie-Hellman groups."""
    lifetime_seconds: Annotated[int, Field(ge=900, le=28800)] = 28800
    """The lifetime of the keys, 900 to 28800 seconds."""


class Phase2(Props):
    """The settings of phase 2, the encrypted traffic."""

    encryption: Annotated[tuple[Encryption, ...], AfterValidator(_some)] = ("AES256-GCM-16",)
    """Allowed ciphers."""
    integrity: Annotated[tuple[Integrity, ...], AfterValidator(_some)] = ("SHA2-384",)
    """Allowed hashes."""
    dh_groups: Annotated[tuple[Phase2Group, ...], AfterValidator(_some)] = (20,)
    """Allowed Diffie-Hellman groups for perfect forward secrecy."""
    lifetime_seconds: Annotated[int, Field(ge=900, le=3600)] = 3600
    """The lifetime of the keys, 900 to 3600 seconds. It must be below that of phase 1."""


class Tunnels(Props):
    """The settings of every tunnel of the connection. The defaults are strong, so give them to your network team (facts
    B26)."""

    ike_versions: Annotated[tuple[Literal["ikev1", "ikev2"], ...], AfterValidator(_some)] = ("ikev2",)
    """Allowed versions of IKE."""
    phase1: Phase1 = Phase1()
    """The settings of phase 1, the IKE negotiation."""
    phase2: Phase2 = Phase2()
    """The settings of phase 2, the encrypted traffic."""
    rekey_margin_seconds: Annotated[int, Field(ge=60, le=1800)] = 270
    """The time before the end of a lifetime at which AWS negotiates new keys: 60 seconds to half of phase 2's
    lifetime."""
    rekey_fuzz_percent: Annotated[int, Field(ge=1, le=100)] = 100
    """The percentage of the margin in which AWS randomizes the time, 1 to 100. The provider ignores 0."""
    replay_window_packets: Annotated[int, Field(ge=64, le=2048)] = 1024
    """The size of the window for packets out of order, 64 to 2048."""
    dpd_timeout_seconds: Annotated[int, Field(ge=30)] = 30
    """The time after which an unresponsive peer is considered dead: 30 seconds or more."""
    dpd_timeout_action: Literal["clear", "none", "restart"] = "restart"
    """The reaction of AWS: `clear` ends the session, `none` keeps it, `restart` starts a new one."""
    startup_action: Literal["add", "start"] = "start"
    """`start`: AWS starts the tunnel, also after its own maintenance. `add`: your device must start it."""
    weak_reason: Reason | None = None
    """The reason why ikev1, SHA1, AES128, or one of the groups 2, 5, 22, 23 and 24 is allowed."""

    @model_validator(mode="after")
    def _is_strong_or_has_a_reason(self) -> Self:
        chosen: list[str | int] = [*self.ike_versions]
        for phase in (self.phase1, self.phase2):
            chosen += [*phase.encryption, *phase.integrity, *phase.dh_groups]
        weak = [str(choice) for choice in dict.fromkeys(chosen) if choice in _WEAK]
        if weak and not self.weak_reason:
            raise ValueError(f"allows {', '.join(weak)}, which is weak; remove it, or explain it in weak_reason")
        if self.weak_reason and not weak:
            raise ValueError("has weak_reason, but allows no weak algorithm; remove it")
        return self

    @model_validator(mode="after")
    def _ends_phase_2_first(self) -> Self:
        one, two = self.phase1.lifetime_seconds, self.phase2.lifetime_seconds
        if two >= one:
            raise ValueError(
                f"has a phase2.lifetime_seconds of {two}, which is not below phase1's {one} as AWS requires; change one"
            )
        return self

    @model_validator(mode="after")
    def _has_time_for_new_keys(self) -> Self:
        most = self.phase2.lifetime_seconds // 2
        if self.rekey_margin_seconds > most:
            raise ValueError(
                f"has a rekey_margin_seconds of {self.rekey_margin_seconds}, more than half of "
                f"phase2.lifetime_seconds; at most {most}"
            )
        return self

    @model_validator(mode="after")
    def _starts_with_ikev2(self) -> Self:
        if "ikev2" not in self.ike_versions and self.startup_action == "start":
            raise ValueError("has startup_action start, which needs ikev2; set add, with which your device starts")
        return self

    @model_validator(mode="after")
    def _encrypts_phase_1_with_ikev1(self) -> Self:
        if "ikev2" not in self.ike_versions and all("GCM" in cipher for cipher in self.phase1.encryption):
            raise ValueError("has only GCM in phase1.encryption, which needs ikev2 (RFC 5282); add AES256")
        return self
