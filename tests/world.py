"""One row of each kind that a host can own: what tests over all routes open."""

from allauth.mfa.models import Authenticator
from cryptography.hazmat.primitives.asymmetric import ec
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import Aaguid, AttestationObject, AttestedCredentialData, AuthenticatorData, CollectedClientData

from gpuadvisor.accounts import api_tokens
from gpuadvisor.core import clock
from gpuadvisor.operations.models import Export
from gpuadvisor.operations.privacy import exporting
from tests.factories import (
    AlertDeliveryFactory,
    AlertFactory,
    AlertLogFactory,
    AnswerFactory,
    ChannelFactory,
    CompSetFactory,
    EpisodeFactory,
    FeeOverrideFactory,
    GPUConfigurationFactory,
    InsightFactory,
    MaintenanceWindowFactory,
    MarketDataFactory,
    MessageFactory,
    MetricImportFactory,
    OfferFactory,
    PerformanceMetricFactory,
    PlatformFactory,
    PortfolioFactory,
    PriceChangeFactory,
    SuggestionFactory,
    VisitFactory,
)


def credential():
    """What a browser answers when it has made a passkey."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    made = AttestedCredentialData.create(Aaguid.NONE, b"k" * 16, ES256.from_cryptography_key(key))
    flags = AuthenticatorData.FLAG.UP | AuthenticatorData.FLAG.UV | AuthenticatorData.FLAG.AT
    data = AuthenticatorData.create(b"r" * 32, flags, 0, made)
    client_data = CollectedClientData.create("webauthn.create", b"c" * 32, "https://testserver")
    response = {
        "clientDataJSON": websafe_encode(client_data),
        "attestationObject": websafe_encode(AttestationObject.create("none", data, {})),
    }
    name = websafe_encode(b"k" * 16)
    return {"id": name, "rawId": name, "type": "public-key", "response": response, "clientExtensionResults": {}}


def export_of(host):
    """An export that can be taken, with its file."""
    now = clock.now()
    row = Export.objects.create(
        user=host, state="ready", asked_at=now, ready_at=now, expires_at=now + exporting.KEPT, bytes=2
    )
    exporting.folder().mkdir(parents=True, exist_ok=True)
    exporting.path_of(row.pk).write_bytes(b"PK")
    return row


def one_of_each(host):
    """Keys by kind."""
    gpu = GPUConfigurationFactory(portfolio__user=host)
    MarketDataFactory()
    PlatformFactory()
    answer = AnswerFactory(question__conversation__user=host)
    talk = answer.question.conversation
    episode = EpisodeFactory(alert__user=host)
    channel = ChannelFactory(user=host)
    return {
        "alert": AlertFactory(user=host).pk,
        "episode": episode.pk,
        "channel": channel.pk,
        "log": AlertLogFactory(alert=episode.alert, episode=episode).pk,
        "delivery": AlertDeliveryFactory(channel=channel, status="dead").pk,
        "window": MaintenanceWindowFactory(portfolio=gpu.portfolio).pk,
        "portfolio": gpu.portfolio.pk,
        "plan": PortfolioFactory(user=host, state="planned", is_active=False).pk,
        "gpu": gpu.pk,
        "metric": PerformanceMetricFactory(gpu_configuration=gpu).pk,
        "insight": InsightFactory(analytics__user=host).pk,
        "price_change": PriceChangeFactory(gpu_configuration=gpu).pk,
        "suggestion": SuggestionFactory(gpu_configuration=gpu).pk,
        "fee": FeeOverrideFactory(user=host).pk,
        "comp_set": CompSetFactory(user=host, gpu_model=gpu.gpu_model).pk,
        "import": MetricImportFactory(user=host).pk,
        "export": export_of(host).pk,
        "token": api_tokens.create_token(user=host, name="Home server")[0].pk,
        "conversation": talk.pk,
        "question": answer.question_id,
        "answer": answer.pk,
        "visit": VisitFactory(user=host).pk,
        "looked_up": MessageFactory(conversation=talk, role="tool", content='{"rows": []}').pk,
        "offer": OfferFactory(message=answer.message).pk,
        "passkey": Authenticator.objects.create(
            user=host, type="webauthn", data={"name": "Key", "credential": credential()}
        ).pk,
    }
