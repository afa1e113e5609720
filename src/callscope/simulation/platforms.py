"""What the platforms call the steps of a call, and how they report failures."""

from dataclasses import dataclass

from callscope.simulation.chance import Dice
from callscope.telemetry import Failure
from callscope.vocabulary import Platform


@dataclass(frozen=True)
class Words:
    """Names of events in the platform's own words, reasons and failures."""

    connecting: str
    connected: str
    connection_failed: str
    disconnected: str
    path: str
    permission: str
    publishing: str
    published: str
    publish_failed: str
    unpublished: str
    subscribing: str
    subscribed: str
    subscribe_failed: str
    unsubscribed: str
    mute: str
    unmute: str
    left: str
    lost: str
    stopped: str
    connect_failure: Failure
    loss_failure: Failure | None
    publish_failure: Failure
    subscribe_failure: Failure


WEBRTC = Words(
    connecting="join",
    connected="joined",
    connection_failed="joinFailed",
    disconnected="left",
    path="iceconnectionstatechange",
    permission="getUserMedia",
    publishing="addTrack",
    published="trackPublished",
    publish_failed="publishFailed",
    unpublished="removeTrack",
    subscribing="subscribe",
    subscribed="track",
    subscribe_failed="subscribeFailed",
    unsubscribed="trackRemoved",
    mute="mute",
    unmute="unmute",
    left="closed",
    lost="iceFailed",
    stopped="trackEnded",
    connect_failure=Failure(message="ICE failed: no candidate pair answered"),
    loss_failure=Failure(message="ICE connection state failed"),
    publish_failure=Failure(message="NotReadableError: Could not start video source"),
    subscribe_failure=Failure(message="Timed out waiting for the remote track"),
)

WORDS = {
    Platform.ACS: Words(
        connecting="Connecting",
        connected="Join",
        connection_failed="Join",
        disconnected="Disconnected",
        path="MediaTransportConnected",
        permission="AskDevicePermission",
        publishing="StartingVideo",
        published="StartVideo",
        publish_failed="StartVideo",
        unpublished="StopVideo",
        subscribing="CreatingView",
        subscribed="CreateView",
        subscribe_failed="CreateView",
        unsubscribed="DisposeView",
        mute="Mute",
        unmute="Unmute",
        left="Success",
        lost="UnexpectedClientError",
        stopped="Success",
        connect_failure=Failure(code=410, subcode=301004, message="No media connectivity at setup"),
        loss_failure=Failure(code=410, subcode=301005, message="Media connectivity lost"),
        publish_failure=Failure(code=410, subcode=41048, message="Video failed at call setup: camera disabled or in use"),
        subscribe_failure=Failure(code=500, subcode=43204, message="Failed to subscribe to the remote video"),
    ),
    Platform.VONAGE: Words(
        connecting="connectAttempt",
        connected="connectionCreated",
        connection_failed="connectFailure",
        disconnected="connectionDestroyed",
        path="iceConnected",
        permission="accessAllowed",
        publishing="publishAttempt",
        published="streamCreated",
        publish_failed="publishFailure",
        unpublished="streamDestroyed",
        subscribing="subscribeAttempt",
        subscribed="subscribeSuccess",
        subscribe_failed="subscribeFailure",
        unsubscribed="unsubscribe",
        mute="publishAudioDisabled",
        unmute="publishAudioEnabled",
        left="clientDisconnected",
        lost="networkDisconnected",
        stopped="mediaStopped",
        connect_failure=Failure(code=1006, message="Connect Failed"),
        loss_failure=None,  # Vonage tells the reason and no more
        publish_failure=Failure(code=1500, message="Unable to Publish"),
        subscribe_failure=Failure(code=1600, message="Subscriber WebRTC error"),
    ),
    Platform.JITSI: Words(
        connecting="conference.join",
        connected="conferenceJoined",
        connection_failed="conference.failed",
        disconnected="conferenceLeft",
        path="ice.state.connected",
        permission="getUserMedia.success",
        publishing="trackAdding",
        published="trackAdded",
        publish_failed="trackFailed",
        unpublished="trackRemoved",
        subscribing="remoteTrackAdding",
        subscribed="remoteTrackAdded",
        subscribe_failed="remoteTrackFailed",
        unsubscribed="remoteTrackRemoved",
        mute="trackMuted",
        unmute="trackUnmuted",
        left="left",
        lost="ice.failed",
        stopped="screenSharingStopped",
        connect_failure=Failure(message="conference.connectionError.iceFailed"),
        loss_failure=Failure(message="ice.failed"),
        publish_failure=Failure(message="gum.general"),
        subscribe_failure=Failure(message="jingle.fatalError"),
    ),
    Platform.WEBRTC: WEBRTC,
    Platform.OTHER: WEBRTC,
}


ROOMS = ("design-review", "standup", "planning", "coffee", "all-hands", "support", "interview", "retro")


def call_id(platform: Platform, dice: Dice) -> str:
    """An id as the platform makes them."""
    if platform is Platform.VONAGE:
        return f"2_MX4{dice.hexadecimal(4)}-{dice.hexadecimal(3)}~fg"
    if platform is Platform.JITSI:
        return f"{dice.pick(ROOMS)}-{dice.hexadecimal()}"
    return dice.uuid()
