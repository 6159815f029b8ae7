"""Does notify jobs: posts each to its target, with its picture."""

from urllib.parse import urlsplit

from framebus.access import LOOPBACK, base_of, find_reach
from framebus.job_requests import FailKind
from framebus.notify_settings import NotifyProcessSettings
from framebus.runner import JobRunner, Output, Report, RunnerContext, WorkError
from framebus_services.notify.body import make_post
from framebus_services.notify.companion import hear_news, zone_of
from framebus_services.notify.contract import NOTIFY, Kind, NotifyParams, NotifyResult
from framebus_services.notify.lanes import Lane
from framebus_services.notify.pictures import PictureFiles, take_picture
from framebus_services.notify.posting import Answer, AskedToWaitError, Endpoint

MAX_ANSWER = 500


class Notifier(JobRunner[NotifyParams, NotifyResult]):
    """Posts; a lane for each target."""

    contract = NOTIFY
    settings_type = NotifyProcessSettings
    companion = hear_news

    def __init__(self, context: RunnerContext) -> None:
        super().__init__(context)
        settings = context.settings(NotifyProcessSettings)
        self._cameras = settings.cameras
        self._zone = zone_of(settings.timezone)
        self._endpoints = {name: Endpoint(name, target) for name, target in settings.to.items()}
        self._lanes = {name: Lane(name, context.clock.boot_s) for name in settings.to}
        self._pictures = PictureFiles(context.place.data)

    def run(self, params: NotifyParams, report: Report) -> Output[NotifyResult]:
        """Post one; a failure that may pass is tried again by the ledger, with the same id."""
        try:
            answer, picture_bytes = self._deliver(params, report)
        except WorkError as error:
            if error.kind is FailKind.PERMANENT:
                self._pictures.remove(report.job.id)
            elif params.kind is Kind.TEST:  # somebody waits for what comes of it
                raise WorkError(FailKind.PERMANENT, str(error)) from None
            raise
        self._pictures.remove(report.job.id)
        result = NotifyResult(
            to=params.to, status=answer.status, answer=answer.text[:MAX_ANSWER], picture_bytes=picture_bytes
        )
        return Output(result=result)

    def _deliver(self, params: NotifyParams, report: Report) -> tuple[Answer, int]:
        jpeg = self._picture(params, report.job.id)
        endpoint = self._endpoint(params.to)
        if jpeg is None and endpoint.target.without_picture:
            endpoint = self._endpoint(endpoint.target.without_picture)
        post = make_post(endpoint.target, params, report.job.id, jpeg=jpeg, page=self._page(), zone=self._zone)
        lane = self._lanes[endpoint.name]
        lane.enter()
        try:
            return endpoint.send(post, lambda step, percent: report(step, percent), lane.leave), post.picture_bytes
        except AskedToWaitError as asked:
            lane.rest(asked.wait_s)
            raise

    def _endpoint(self, name: str) -> Endpoint:
        try:
            return self._endpoints[name]
        except KeyError:
            text = f"there is no target {name}; services.notify.to has {', '.join(self._endpoints)}"
            raise WorkError(FailKind.PERMANENT, text) from None

    def _picture(self, params: NotifyParams, id: str) -> bytes | None:
        jpeg = self._pictures.read(id)
        if jpeg is not None or params.kind not in (Kind.TEST, Kind.MESSAGE):
            return jpeg  # a picture of later would show an empty place
        cameras = [params.camera] if params.camera else self._cameras if params.kind is Kind.TEST else []
        taken = (take_picture(self.context.place.shm, camera, 0, self.context.clock) for camera in cameras)
        return next((one for one in taken if one is not None), None)

    def _page(self) -> str:
        """Where the page is, for who is somewhere else; empty where nobody knows."""
        reach = find_reach(self.context.place.run)
        base = base_of(reach) if reach is not None else ""
        return "" if urlsplit(base).hostname in LOOPBACK else base and f"{base}/"
