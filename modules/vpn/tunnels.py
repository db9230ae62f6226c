"""How the tunnels of a VPN are negotiated."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from modules.vocabulary import Props, Reason

_WEAK = {"ikev1", "SHA1", "AES128", "AES128-GCM-16", 2, 5, 22, 23, 24}


def _some(choices: tuple[str | int, ...]) -> tuple[str | int, ...]:
    if not choices:
        raise ValueError("is empty; name at least one, or leave it out")
    return choices


Encryption = Literal["AES128", "AES256", "AES128-GCM-16", "AES256-GCM-16"]
Integrity = Literal["SHA1", "SHA2-256", "SHA2-384", "SHA2-512"]
Phase1Group = Literal[2, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 35]
Phase2Group = Literal[2, 5, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 35, 36, 37]


class Phase1(Props):
    """What IKE may agree on for its own messages."""

    encryption: Annotated[tuple[Encryption, ...], AfterValidator(_some)] = ("AES256-GCM-16",)
    """Ciphers, each of which either side may choose."""
    integrity: Annotated[tuple[Integrity, ...], AfterValidator(_some)] = ("SHA2-384",)
    """Hashes, each of which either side may choose."""
    dh_groups: Annotated[tuple[Phase1Group, ...], AfterValidator(_some)] = (20,)
    """Diffie-Hellman groups, each of which either side may choose."""
    lifetime_seconds: Annotated[int, Field(ge=900, le=28800)] = 28800
    """900 to 28800 seconds until the keys are negotiated anew."""


class Phase2(Props):
    """What IKE may agree on for the traffic."""

    encryption: Annotated[tuple[Encryption, ...], AfterValidator(_some)] = ("AES256-GCM-16",)
    """Ciphers, each of which either side may choose."""
    integrity: Annotated[tuple[Integrity, ...], AfterValidator(_some)] = ("SHA2-384",)
    """Hashes, each of which either side may choose."""
    dh_groups: Annotated[tuple[Phase2Group, ...], AfterValidator(_some)] = (20,)
    """Diffie-Hellman groups of perfect forward secrecy, each of which either side may choose."""
    lifetime_seconds: Annotated[int, Field(ge=900, le=3600)] = 3600
    """900 to 3600 seconds, and below the lifetime of phase 1."""


class Tunnels(Props):
    """How every tunnel of the connection is negotiated. The defaults are strong; tell your network team (facts B26)."""

    ike_versions: Annotated[tuple[Literal["ikev1", "ikev2"], ...], AfterValidator(_some)] = ("ikev2",)
    """Versions of IKE, each of which your device may speak."""
    phase1: Phase1 = Phase1()
    """Of IKE's own messages."""
    phase2: Phase2 = Phase2()
    """Of the traffic."""
    rekey_margin_seconds: Annotated[int, Field(ge=60, le=1800)] = 270
    """How long before a lifetime ends AWS negotiates anew: 60 seconds to half of phase 2's lifetime."""
    rekey_fuzz_percent: Annotated[int, Field(ge=1, le=100)] = 100
    """How much of the margin the moment is chosen from, 1 to 100. The provider drops a 0."""
    replay_window_packets: Annotated[int, Field(ge=64, le=2048)] = 1024
    """How far packets may come out of order, 64 to 2048."""
    dpd_timeout_seconds: Annotated[int, Field(ge=30)] = 30
    """When a silent peer counts as dead: 30 seconds or more."""
    dpd_timeout_action: Literal["clear", "none", "restart"] = "restart"
    """What AWS does then: end the session, nothing, or begin another."""
    startup_action: Literal["add", "start"] = "start"
    """`start`: AWS brings the tunnel up, also after its own maintenance. `add`: your device has to."""
    weak_reason: Reason | None = None
    """Why ikev1, SHA1, AES128, or one of the groups 2, 5, 22, 23 and 24 is allowed, where one is."""

    @model_validator(mode="after")
    def _can_be_negotiated(self) -> Self:
        one, two = self.phase1, self.phase2
        chosen: list[str | int] = [*self.ike_versions]
        for phase in (one, two):
            chosen += [*phase.encryption, *phase.integrity, *phase.dh_groups]
        weak = [str(choice) for choice in dict.fromkeys(chosen) if choice in _WEAK]
        wrong: list[str] = []
        if weak and not self.weak_reason:
            wrong.append(f"allows {', '.join(weak)}, which is weak; take it out, or say why in weak_reason")
        if self.weak_reason and not weak:
            wrong.append("gives a weak_reason and allows nothing weak; take it out")
        if two.lifetime_seconds >= one.lifetime_seconds:
            wrong.append(
                f"has a phase2.lifetime_seconds of {two.lifetime_seconds}, which is not below phase1's "
                f"{one.lifetime_seconds}; AWS refuses that: change one"
            )
        if self.rekey_margin_seconds * 2 > two.lifetime_seconds:
            wrong.append(
                f"has a rekey_margin_seconds of {self.rekey_margin_seconds}, more than half of "
                f"phase2.lifetime_seconds; at most {two.lifetime_seconds // 2}"
            )
        if "ikev2" not in self.ike_versions:
            if self.startup_action == "start":
                wrong.append("has startup_action start, which needs ikev2; write add, and your device starts")
            if all("GCM" in cipher for cipher in one.encryption):
                wrong.append("has only GCM in phase1.encryption, which needs ikev2 (RFC 5282); add AES256")
        if wrong:
            raise ValueError("; it ".join(wrong))
        return self
