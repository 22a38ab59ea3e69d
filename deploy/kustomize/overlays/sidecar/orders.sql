insert overwrite table dwd.order_detail_di
select o.order_id, o.member_id, i.sku_id, i.quantity, i.pay_amount, o.created_at
from ods.orders o
join ods.order_items i on i.order_id = o.order_id
