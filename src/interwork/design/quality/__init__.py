"""Quality of what is made and of how it is measured: gauge studies, first articles, nonconformances worked off."""

from interwork.design.quality.article import FirstArticle as FirstArticle
from interwork.design.quality.article import first_article as first_article
from interwork.design.quality.gauge import Gauge as Gauge
from interwork.design.quality.gauge import study as study
from interwork.design.quality.nonconformance import NEXT as NEXT
from interwork.design.quality.nonconformance import Raised as Raised
from interwork.design.quality.nonconformance import Worked as Worked
from interwork.design.quality.nonconformance import advance as advance
from interwork.design.quality.nonconformance import open_nonconformance as open_nonconformance
from interwork.design.quality.series import by_word as by_word
from interwork.design.quality.series import limits_of as limits_of
from interwork.design.quality.series import outside as outside
from interwork.design.quality.series import series_of as series_of
