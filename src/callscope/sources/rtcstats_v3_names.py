"""The numbers that rtcstats.com's version 3 writes for names of methods, of statistics' types and of their properties.

Numbers are never reassigned (rtcstats/rtcstats, rtcstats-shared/compression.js, as of August 2026); one that is not here stays
as it is. A line of a table starts with the number of its first name; ``-`` is a number that means nothing.
"""

Names = dict[str, str]


def _table(text: str) -> Names:
    table: Names = {}
    for line in text.split("\n"):
        first, *names = line.split() or ["0"]
        table |= {str(int(first) + offset): name for offset, name in enumerate(names) if name != "-"}
    return table


TYPES = _table("""
1 inbound-rtp outbound-rtp remote-inbound-rtp remote-outbound-rtp transport candidate-pair local-candidate remote-candidate
9 data-channel peer-connection certificate media-source media-playout codec
""")

# getUserMediaOnFailure was meant to be 62, but has always been written as 65.
METHODS = _table("""
1 getStats createOffer createOfferOnSuccess createAnswer createAnswerOnSuccess
6 setLocalDescription setLocalDescriptionOnSuccess setRemoteDescription setRemoteDescriptionOnSuccess
10 addIceCandidate addIceCandidateOnSuccess createOfferOnFailure createAnswerOnFailure
14 setLocalDescriptionOnFailure setRemoteDescriptionOnFailure addIceCandidateOnFailure
20 onicecandidate onicecandidateerror ontrack onsignalingstatechange oniceconnectionstatechange onconnectionstatechange
26 onicegatheringstatechange onnegotiationneeded ondatachannel
30 addTrack addTrackOnSuccess addTransceiver addTransceiverOnSuccess removeTrack createDataChannel close restartIce
38 setConfiguration create constraints setCodecPreferences setHeaderExtensionsToNegotiate
50 setParameters replaceTrack
60 navigator.mediaDevices.getUserMedia navigator.mediaDevices.getUserMediaOnSuccess -
63 navigator.mediaDevices.getDisplayMedia navigator.mediaDevices.getDisplayMediaOnSuccess
65 navigator.mediaDevices.getUserMediaOnFailure navigator.mediaDevices.enumerateDevices navigator.mediaDevices.ondevicechange
68 navigator.mediaDevices.getDisplayMediaOnFailure
70 MediaStreamTrack.stop MediaStreamTrack.applyConstraints MediaStreamTrack.onended MediaStreamTrack.onmute
74 MediaStreamTrack.onunmute
80 HTMLMediaElement.resize
""") | {"g": "getStats"}

PROPERTIES = _table("""
4 payloadType transportId mimeType clockRate channels sdpFmtpLine
10 ssrc kind codecId - packetsReceived packetsLost jitter trackIdentifier mid remoteId
20 framesDecoded keyFramesDecoded framesDropped frameWidth frameHeight framesPerSecond qpSum totalDecodeTime
28 totalInterFrameDelay totalSquaredInterFrameDelay pauseCount totalPausesDuration freezeCount totalFreezesDuration
34 lastPacketReceivedTimestamp headerBytesReceived packetsDiscarded fecPacketsReceived fecPacketsDiscarded fecBytesReceived
40 fecSsrc bytesReceived nackCount firCount pliCount totalProcessingDelay estimatedPlayoutTimestamp jitterBufferDelay
48 jitterBufferTargetDelay jitterBufferEmittedCount jitterBufferMinimumDelay totalSamplesReceived concealedSamples
53 silentConcealedSamples concealmentEvents insertedSamplesForDeceleration removedSamplesForAcceleration audioLevel
58 totalAudioEnergy totalSamplesDuration framesReceived decoderImplementation playoutId powerEfficientDecoder
64 framesAssembledFromMultiplePackets totalAssemblyTime contentType googTimingFrameInfo retransmittedPacketsReceived
69 retransmittedBytesReceived rtxSsrc totalCorruptionProbability totalSquaredCorruptionProbability corruptionMeasurements
74 localId roundTripTime totalRoundTripTime fractionLost roundTripTimeMeasurements packetsSent bytesSent mediaSourceId
82 rid encodingIndex headerBytesSent retransmittedPacketsSent retransmittedBytesSent targetBitrate totalEncodedBytesTarget
89 framesSent hugeFramesSent framesEncoded keyFramesEncoded totalEncodeTime totalPacketSendDelay qualityLimitationReason
96 qualityLimitationDurations qualityLimitationResolutionChanges encoderImplementation powerEfficientEncoder active
101 scalabilityMode remoteTimestamp reportsSent echoReturnLoss echoReturnLossEnhancement width height frames
109 synthesizedSamplesDuration synthesizedSamplesEvents totalPlayoutDelay totalSamplesCount
113 dataChannelsOpened dataChannelsClosed label protocol dataChannelIdentifier state messagesSent messagesReceived
121 iceRole iceLocalUsernameFragment dtlsState iceState selectedCandidatePairId localCertificateId remoteCertificateId
128 tlsVersion dtlsCipher dtlsRole srtpCipher selectedCandidatePairChanges rtcpTransportStatsId
134 address port candidateType priority url relayProtocol foundation relatedAddress relatedPort usernameFragment tcpType
145 networkType - - localCandidateId remoteCandidateId nominated lastPacketSentTimestamp currentRoundTripTime
153 availableOutgoingBitrate availableIncomingBitrate requestsReceived requestsSent responsesReceived responsesSent
159 consentRequestsSent packetsDiscardedOnSend bytesDiscardedOnSend -
163 fingerprint fingerprintAlgorithm base64Certificate issuerCertificateId psnrMeasurements psnrSum
169 packetsReceivedWithEct1 packetsReceivedWithCe packetsReportedAsLost packetsReportedAsLostButRecovered
173 packetsWithBleachedEct1Marking packetsSentWithEct1 ccfbMessagesSent ccfbMessagesReceived
""") | {"t": "timestamp"}
